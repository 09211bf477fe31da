"""A value's text as OPA prints it in messages: `{"a": [1, "b"]}`, `set()`. Not JSON, which has no sets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Final

from authz_rego.values.characters import is_printable
from authz_rego.values.number import Number
from authz_rego.values.value import Value, sorted_keys, value_of

_ESCAPES: Final = {7: r"\a", 8: r"\b", 12: r"\f", 10: r"\n", 13: r"\r", 9: r"\t", 11: r"\v", 92: r"\\"}
# Places between members. A tuple is no value, so that it cannot be mistaken for one.
_COMMA, _COLON = (", ",), (": ",)


def term_text(value: Value) -> str:
    """The text of a value of any depth: objects and sets in order, strings quoted as Go does, numbers as written."""
    if type(value) is str:
        return quote(value)
    if type(value) is int:
        return int_text(value)
    found: list[str] = []
    pending = [value]
    while pending:
        each = pending.pop()
        kind = type(each)
        if kind is str:
            found.append(quote(each))
        elif kind is tuple:
            found.append(each[0])
        elif kind is list:
            pending += _backwards("[", _between(each), "]")
        elif kind is dict:
            pending += _backwards("{", _members(each), "}")
        elif kind is frozenset:
            pending += _backwards("{", _between(map(value_of, sorted_keys(each))), "}") if each else [("set()",)]
        else:
            found.append(_atom_text(each))
    return "".join(found)


def int_text(number: int) -> str:
    """Decimal digits; also for numbers so long that Python's `str` refuses them."""
    try:
        return str(number)
    except ValueError:
        return format(Decimal(number), "f")


def number_text(number: int | Number) -> str:
    """A number as it was written."""
    return number.text if type(number) is Number else int_text(number)  # type: ignore[arg-type]  # no Number is an int


def quote(text: str, mark: str = '"', *, only_ascii: bool = False) -> str:
    """Go's strconv.Quote, QuoteToASCII and, with another mark, QuoteRune."""
    if text.isascii() and text.isprintable() and mark not in text and "\\" not in text:
        return f"{mark}{text}{mark}"
    escape = f"\\{mark}"
    return f"{mark}{''.join([escape if each == mark else _escaped(ord(each), only_ascii) for each in text])}{mark}"


def _escaped(code: int, only_ascii: bool) -> str:  # noqa: FBT001  # called for each character
    if code in _ESCAPES:
        return _ESCAPES[code]
    if is_printable(code) and (code < 128 or not only_ascii):
        return chr(code)
    if code < 32 or code == 127 or 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code & 0xFF:02x}"  # the last of them: a byte that is no UTF-8 (byte_texts)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _atom_text(value: Value) -> str:
    if value is None:
        return "null"
    if type(value) is bool:
        return "true" if value else "false"
    return number_text(value)


def _backwards(start: str, members: Iterable[Value], end: str) -> list[Value]:
    found = [(start,), *members, (end,)]
    found.reverse()
    return found


def _between(values: Iterable[Value]) -> Iterator[Value]:
    first = True
    for each in values:
        if not first:
            yield _COMMA
        first = False
        yield each


def _members(value: Value) -> Iterator[Value]:
    first = True
    for key in sorted_keys(value):
        if not first:
            yield _COMMA
        first = False
        yield value_of(key)
        yield _COLON
        yield value[key]
