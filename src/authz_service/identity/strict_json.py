"""JSON with one meaning only (RFC 8259, RFC 7493): what two parsers could read in two ways is refused. No schema."""

import json
import math

MAX_DEPTH = 64
_MAX_DIGITS = 19  # every integer of this length fits the encoder of the policy's input


def decode_object(text: str) -> dict[str, object]:
    """The one JSON object in `text`. Raises ValueError, which says why and never quotes the text."""
    try:
        value = _DECODER.decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg}") from None
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - the text's fault, not the caller's
    _require_depth(value, MAX_DEPTH)
    return value


def _require_depth(value: dict[str, object] | list[object], room: int) -> None:
    if room == 0:
        raise ValueError("nested too deeply")
    for child in value.values() if isinstance(value, dict) else value:
        if isinstance(child, dict | list):
            _require_depth(child, room - 1)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member occurs twice in one object")
    return members


def _integer(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise ValueError("an integer has too many digits")
    return int(text)


def _fraction(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is out of range")
    return number


def _constant(_name: str) -> object:
    raise ValueError("NaN and Infinity are not JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_fraction, parse_constant=_constant
)
