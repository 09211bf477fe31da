"""What a scalar stands for: null, a boolean, a number, a time, a text. Not how it is written (`scalars`)."""

from __future__ import annotations

import re
from typing import Final, NamedTuple, TypeAlias

from authz_rego.builtins.encodings import from_base64
from authz_rego.builtins.go_calendar import clock_of, date_of, weekday_of
from authz_rego.builtins.go_layouts import Moment, read_layout
from authz_rego.builtins.time_parsing import parse_time, parse_zoned_time
from authz_rego.builtins.yaml.floats import key_text
from authz_rego.builtins.yaml.nodes import BINARY, BOOL, FLOAT, INT, MERGE, NULL, STR, TIMESTAMP, Node
from authz_rego.errors import BuiltinError


class Timestamp(NamedTuple):
    """A time as it is written."""

    text: str


Resolved: TypeAlias = bool | int | float | str | bytes | Timestamp | None  # bytes are binary data that is no UTF-8

_NAMES: Final[dict[str, tuple[str, Resolved]]] = {
    **dict.fromkeys(("true", "True", "TRUE"), (BOOL, True)),
    **dict.fromkeys(("false", "False", "FALSE"), (BOOL, False)),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), (NULL, None)),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), (FLOAT, float("nan"))),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), (FLOAT, float("-inf"))),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), (FLOAT, float("inf"))),
    "<<": (MERGE, "<<"),
}
_RESOLVABLE: Final = frozenset({"", STR, BOOL, INT, FLOAT, NULL, TIMESTAMP})
_FIRST_OF_NUMBERS: Final = frozenset("+-0123456789")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
# Where the point comes first, underscores are looked at as Go does: they stand between digits.
_POINT_FLOAT: Final = re.compile(r"\.[0-9](?:_?[0-9])*(?:[eE][-+]?[0-9](?:_?[0-9])*)?")
# Go's integers of base 0: a leading zero alone makes it octal, too.
_INTEGER: Final = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))")
_BASES: Final = (16, 2, 8, 10)
# go-yaml takes these, too, where its own reading of `0b` and `0o` meets a sign.
_INNER_SIGN: Final = re.compile(r"0(?:b([-+])([01]+)|o([-+])([0-7]+))")
_MOST_DIGITS: Final = 64  # of an integer in 64 bits, binary
_YEAR: Final = re.compile(r"[0-9]{4}-")
_TIME_LAYOUTS: Final = (
    "2006-1-2T15:4:5.999999999Z07:00",
    "2006-1-2t15:4:5.999999999Z07:00",
    "2006-1-2 15:4:5.999999999",
    "2006-1-2",
)


def resolve(tag: str, text: str) -> tuple[str, Resolved]:
    """The tag that a scalar turns out to have, and its value; raises BuiltinError where it cannot have the given."""
    if tag not in _RESOLVABLE:
        return tag, text
    found, value = _resolve(tag, text)
    if tag in {"", STR, found}:
        return found, value
    if tag == FLOAT and found == INT and type(value) is int and -(2**63) <= value < 2**63:
        return FLOAT, float(value)
    raise BuiltinError(f"yaml: cannot decode {found} `{text[:64]}` as a {tag}")


def scalar_value(node: Node) -> Resolved:
    """What the scalar stands for."""
    tag, value = resolve(node.tag, node.value)
    if tag != BINARY or type(value) is not str:
        return value
    content = from_base64(value)
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content


def key_name(key: Resolved) -> str | bytes | None:
    """The name of a member in JSON, where the key can be one."""
    if type(key) is bool:
        return "true" if key else "false"
    if type(key) is float:
        return key_text(key)
    if type(key) is int:
        return str(key)
    return key if isinstance(key, str | bytes) else None


def find_time_layout(text: str) -> str | None:
    """The layout by which the text is a time, if it is one."""
    if _YEAR.match(text) is None:
        return None
    content = text if text.isascii() else text.encode().decode("latin-1")
    for layout in _TIME_LAYOUTS:
        try:
            parse_time(content, read_layout(layout))
        except BuiltinError:
            continue
        return layout
    return None


def moment_of(timestamp: Timestamp) -> Moment:
    """The time, in the zone that it was written in."""
    layout = find_time_layout(timestamp.text)
    assert layout is not None  # it would be no timestamp
    seconds, nanosecond, offset = parse_zoned_time(timestamp.text, read_layout(layout))
    local = seconds + offset
    return Moment(date_of(local), weekday_of(local), clock_of(local), nanosecond, "", offset)


def _resolve(tag: str, text: str) -> tuple[str, Resolved]:
    if tag in {STR, BINARY}:
        return STR, text
    if text in _NAMES:
        return _NAMES[text]
    if text[0] == ".":
        number = float(text.replace("_", "")) if _POINT_FLOAT.fullmatch(text) else float("inf")
        return (STR, text) if number == float("inf") else (FLOAT, number)
    if text[0] not in _FIRST_OF_NUMBERS:
        return STR, text
    if tag in {"", TIMESTAMP} and find_time_layout(text) is not None:
        return TIMESTAMP, Timestamp(text)
    return _number(text)


def _number(text: str) -> tuple[str, Resolved]:
    plain = text.replace("_", "")
    integer = _integer(plain)
    if integer is not None:
        return INT, integer
    if _FLOAT.fullmatch(plain):
        number = float(plain)
        if number not in {float("inf"), float("-inf")}:
            return FLOAT, number
    return STR, text


def _integer(text: str) -> int | None:
    """Within 64 bits, with a sign or, not negative, without."""
    match = _INTEGER.fullmatch(text)
    inner = None if match else _INNER_SIGN.fullmatch(text)
    if match:
        sign, *by_base = match.groups()
        digits, base = next((digits, base) for digits, base in zip(by_base, _BASES, strict=True) if digits is not None)
    elif inner:
        sign, digits, base = (inner[1], inner[2], 2) if inner[1] else (inner[3], inner[4], 8)
    else:
        return None
    digits = digits.lstrip("0") or "0"
    if len(digits) > _MOST_DIGITS:
        return None
    number = int(digits, base)
    if sign == "-":
        return -number if number <= 2**63 else None
    return number if number < (2**63 if sign else 2**64) else None
