"""JSON with one meaning only (RFC 8259, RFC 7493): what two parsers could read in two ways is refused. No schema."""

import json
from typing import NoReturn

import msgspec

from authz_rego.values.number import Number, number_of
from authz_rego.values.value import Value

MAX_DEPTH = 64


def decode_object(text: str) -> dict[str, Value]:
    """The one JSON object in `text`, its numbers with all their digits. Raises ValueError, which says why and never
    quotes the text.
    """
    plain = _find_plain_object(text)
    if plain is not None:
        return plain
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


def _find_plain_object(text: str) -> dict[str, Value] | None:
    """The object where the text is the very one that it is written as again: then nothing in it occurs twice, and no
    number loses a digit. As issuers write their tokens; read in a sixth of the time.
    """
    if text.count("{") + text.count("[") > MAX_DEPTH:
        return None
    try:
        value = _read_plain(text)
        return value if type(value) is dict and _write_plain(value) == text.encode() else None
    except (ValueError, msgspec.MsgspecError):
        return None


def _require_depth(value: dict[str, Value] | list[Value], room: int) -> None:
    if room == 0:
        raise ValueError("nested too deeply")
    for child in value.values() if isinstance(value, dict) else value:
        if isinstance(child, dict | list):
            _require_depth(child, room - 1)


def _object(pairs: list[tuple[str, Value]]) -> dict[str, Value]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member occurs twice in one object")
    return members


def _number(text: str) -> int | Number:
    try:
        return number_of(text)
    except ValueError:
        raise ValueError("a number is out of range") from None


def _constant(_name: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")


def _float(_text: str) -> NoReturn:
    raise ValueError("no plain integer")


_read_plain, _write_plain = msgspec.json.Decoder(float_hook=_float).decode, msgspec.json.Encoder().encode
_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_number, parse_float=_number, parse_constant=_constant)
