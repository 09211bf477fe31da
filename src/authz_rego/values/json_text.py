"""JSON text to and from Rego's values, as OPA reads and writes it. Not other Python objects (`python_documents`)."""

from __future__ import annotations

import json
import re
from json.encoder import encode_basestring
from typing import Any, Final

from authz_rego.values.big_integers import BeyondBoundsError, text_of
from authz_rego.values.byte_texts import is_torn, json_escaped, text_of_bytes
from authz_rego.values.depth import MAX_DEPTH, is_deeper_than
from authz_rego.values.number import Number, number_of
from authz_rego.values.value import Value, sorted_keys, text_order, value_of

_BLANKS: Final = re.compile(r"[ \t\n\r]*")
_MINUS_ZERO: Final = re.compile(r"-0(?![0-9.eE])")
_HALF_A_CHARACTER: Final = re.compile(r"\\u[dD][89a-fA-F]")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_JSON_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_REPLACEMENT: Final = "\ufffd"
# Go writes JSON that can stand in HTML.
_FOR_HTML: Final = (("<", r"\u003c"), (">", r"\u003e"), ("&", r"\u0026"), ("\u2028", r"\u2028"), ("\u2029", r"\u2029"))


def from_json(text: str | bytes) -> Value:
    """Reads one document; raises ValueError. Where OPA is lenient, so are we: see below."""
    given = _decoded(text) if isinstance(text, bytes) else text
    if not isinstance(text, bytes) and not given.isascii() and _SURROGATE.search(given):
        raise ValueError("the text has half a character: a surrogate without its partner")
    start = _after_blanks(given, 0)
    value, end = _read(given, start)
    rest = _after_blanks(given, end)
    # OPA looks at what comes next, and takes a `null` for nothing; what follows that it does not see at all.
    if rest < len(given) and not given.startswith("null", rest):
        raise ValueError(f"something stands after the document, at character {rest + 1}")
    if given.count("[") + given.count("{") > MAX_DEPTH and is_deeper_than(value, MAX_DEPTH):
        raise BeyondBoundsError(f"a document more than {MAX_DEPTH} levels deep")
    return value


def to_json(value: Value) -> str:
    """Writes a value as OPA's `json.marshal`: sets are sorted arrays, a key that is no string is its own JSON text.

    Raises ValueError for a number that only Rego writes so (`.5`), and for a value that is too deep.
    """
    try:
        text = _ENCODER.encode(value)
        if is_torn(text):
            text = json_escaped(_written(json_tree(value)))  # once more: the order of the keys is that of their bytes
    except (TypeError, ValueError, RecursionError):  # a number with a text of its own, a set, a key that is no string
        try:
            text = _written(json_tree(value))
            text = json_escaped(text) if is_torn(text) else text
        except RecursionError:
            raise BeyondBoundsError("a value that is too deep to be written") from None
    return for_html(text)


def _decoded(given: bytes) -> str:
    try:
        return given.decode()
    except UnicodeDecodeError:
        # Go puts one replacement for each byte that is no UTF-8; Python's own "replace" one for several.
        return _SURROGATE.sub(_REPLACEMENT, text_of_bytes(given))


def _after_blanks(text: str, start: int) -> int:
    found = _BLANKS.match(text, start)
    return found.end() if found else start


def _read(text: str, start: int) -> tuple[Value, int]:
    try:
        if not _HALF_A_CHARACTER.search(text):
            try:
                return (_EXACT if _MINUS_ZERO.search(text) else _PLAIN).raw_decode(text, start)
            except json.JSONDecodeError:
                raise
            except ValueError:  # a number that is refused, or an integer of more digits than Python's int() reads
                pass
        tree, end = _SLOW.raw_decode(text, start)
        return _value(tree), end
    except json.JSONDecodeError as problem:
        raise ValueError(f"not JSON: {problem.msg} at character {problem.pos + 1}") from None
    except RecursionError:
        raise BeyondBoundsError(f"a document more than {MAX_DEPTH} levels deep") from None


class _Pairs(list[tuple[str, Any]]):
    """An object as it is written: two keys may become one once their characters are mended."""


class _Digits(str):
    """A number as it is written: OPA does not look at one that a later key hides."""

    __slots__ = ()


def _value(tree: Any) -> Value:
    if type(tree) is str:
        return _SURROGATE.sub(_REPLACEMENT, tree)
    if type(tree) is _Digits:
        return number_of(str(tree))
    if type(tree) is list:
        return [*map(_value, tree)]
    if type(tree) is _Pairs:
        members = {_value(key): member for key, member in tree}
        return {key: _value(member) for key, member in members.items()}
    return tree


def _refuse(constant: str) -> Value:
    raise json.JSONDecodeError("Expecting value", constant, 0)


_PLAIN: Final = json.JSONDecoder(parse_float=number_of, parse_constant=_refuse)
_EXACT: Final = json.JSONDecoder(parse_float=number_of, parse_int=number_of, parse_constant=_refuse)
_SLOW: Final = json.JSONDecoder(
    parse_float=_Digits, parse_int=_Digits, parse_constant=_refuse, object_pairs_hook=_Pairs
)
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":"), sort_keys=True)


def json_tree(value: Value) -> Any:
    """The value as JSON has it: sets are lists, all keys are `str`, in the order in which Go writes them."""
    kind = type(value)
    if kind is list:
        return [*map(json_tree, value)]
    if kind is frozenset:
        return [json_tree(value_of(key)) for key in sorted_keys(value)]
    if kind is dict:
        # Of 1 and "1" the later one in Rego's order is kept.
        keys = sorted_keys(value)
        members = {key if type(key) is str else to_json(value_of(key)): json_tree(value[key]) for key in keys}
        return {key: members[key] for key in sorted(members, key=text_order(members))}
    return value


def scalar_text(value: bool | int | Number | str | None) -> str:  # noqa: FBT001  # a value, not a switch
    """The JSON text of a value that has no members, without Go's escapes for HTML."""
    if type(value) is str:
        return encode_basestring(value)
    if type(value) is int:
        return text_of(value)
    if type(value) is Number:
        if not _JSON_NUMBER.fullmatch(value.text):
            raise ValueError(f"JSON has no number {value.text!r}")
        return value.text
    return "null" if value is None else "true" if value else "false"


def for_html(text: str) -> str:
    """The JSON text as Go writes it: it may stand in HTML and in JavaScript."""
    for character, escape in _FOR_HTML:
        if character in text:
            text = text.replace(character, escape)
    return text


def _written(tree: Any) -> str:
    if type(tree) is list:
        return f"[{','.join(map(_written, tree))}]"
    if type(tree) is dict:
        return f"{{{','.join(f'{encode_basestring(key)}:{_written(member)}' for key, member in tree.items())}}}"
    return scalar_text(tree)
