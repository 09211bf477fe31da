"""OPA's `base64.*`, `base64url.*`, `hex.*` and `urlquery.*`. Not JSON or YAML (`json_documents`, `yaml_documents`)."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode, urlsafe_b64encode
from collections.abc import Callable
from typing import Final

from authz_rego.builtins.bounds import beyond_bounds
from authz_rego.builtins.operands import string_operand, wrong_operand
from authz_rego.builtins.percent_codes import QUERY, escaped, unescaped_query
from authz_rego.errors import BuiltinError
from authz_rego.values.big_integers import BeyondBoundsError
from authz_rego.values.byte_texts import raw_of, text_of_bytes
from authz_rego.values.json_text import json_tree
from authz_rego.values.value import Value

_NEWLINES: Final = {10: None, 13: None}
_BASE64: Final = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_TO_STANDARD: Final = {ord("-"): "+", ord("_"): "/", ord("+"): "-", ord("/"): "_"}  # so that + and / are none
_HEX: Final = re.compile(r"(?:[0-9a-fA-F]{2})*")
_MOST_PARAMETERS: Final = 10_000  # Go's


def _content(value: Value, position: int = 1) -> bytes:
    return raw_of(string_operand(value, position))


def _base64_encode(value: Value) -> str:
    return b64encode(_content(value)).decode()


def _base64_decode(value: Value) -> str:
    return text_of_bytes(from_base64(string_operand(value, 1)))


def from_base64(text: str) -> bytes:
    """Go's: newlines count for nothing, padding must be there, and bits left over at the end may be anything."""
    plain = text.translate(_NEWLINES)
    if _BASE64.fullmatch(plain) is None:
        raise BuiltinError("illegal base64 data")
    return b64decode(plain)


def _base64_is_valid(value: Value) -> bool:
    return type(value) is str and _BASE64.fullmatch(value.translate(_NEWLINES)) is not None


def _base64url_encode(value: Value) -> str:
    return urlsafe_b64encode(_content(value)).decode()


def _base64url_encode_no_pad(value: Value) -> str:
    return _base64url_encode(value).rstrip("=")


def _base64url_decode(value: Value) -> str:
    """Padding may be left out. Whether it is, OPA tells by the length with newlines."""
    text = string_operand(value, 1)
    if not text.endswith("="):
        over = len(raw_of(text)) % 4
        if over == 1:
            raise BuiltinError("illegal base64url string")
        text += ("", "", "==", "=")[over]
    return text_of_bytes(from_base64(text.translate(_TO_STANDARD)))


def _hex_encode(value: Value) -> str:
    return _content(value).hex()


def _hex_decode(value: Value) -> str:
    text = string_operand(value, 1)
    if _HEX.fullmatch(text) is None:
        raise BuiltinError("encoding/hex: invalid byte or odd length")
    return text_of_bytes(bytes.fromhex(text))


def _query_encode(value: Value) -> str:
    return _escaped(string_operand(value, 1))


def _escaped(text: str) -> str:
    return escaped(raw_of(text), QUERY).replace("%20", "+")


def _query_decode(value: Value) -> str:
    return text_of_bytes(unescaped_query(_content(value)))


def _query_encode_object(value: Value) -> str:
    if type(value) is not dict:
        raise wrong_operand(value, 1, "object")
    try:
        members = json_tree(value)
    except (BeyondBoundsError, RecursionError) as error:
        raise beyond_bounds("urlquery.encode_object", "a value that is too deep") from error
    except ValueError as error:
        raise BuiltinError(str(error)) from error
    return "&".join(f"{_escaped(key)}={_escaped(text)}" for key, member in members.items() for text in _texts(member))


def _texts(member: Value) -> list[str]:
    if type(member) is str:
        return [member]
    if type(member) is not list or any(type(each) is not str for each in member):
        raise BuiltinError("operand 1 values must be string, array[string], or set[string]")
    return member


def _query_decode_object(value: Value) -> dict[str, Value]:
    content = _content(value)
    if content.count(b"&") >= _MOST_PARAMETERS:
        raise BuiltinError("number of URL query parameters exceeded limit")
    if b";" in content:
        raise BuiltinError("invalid semicolon separator in query")
    pairs = [part.partition(b"=") for part in content.split(b"&") if part]
    decoded = [(unescaped_query(key), unescaped_query(text)) for key, _, text in pairs]
    found: dict[str, Value] = {}
    for key, text in decoded:
        member = found.setdefault(text_of_bytes(key), [])
        member.append(text_of_bytes(text))
    return found


FUNCTIONS: dict[str, Callable[..., Value]] = {
    "base64.decode": _base64_decode,
    "base64.encode": _base64_encode,
    "base64.is_valid": _base64_is_valid,
    "base64url.decode": _base64url_decode,
    "base64url.encode": _base64url_encode,
    "base64url.encode_no_pad": _base64url_encode_no_pad,
    "hex.decode": _hex_decode,
    "hex.encode": _hex_encode,
    "urlquery.decode": _query_decode,
    "urlquery.decode_object": _query_decode_object,
    "urlquery.encode": _query_encode,
    "urlquery.encode_object": _query_encode_object,
}
