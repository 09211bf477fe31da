"""Percent-encoding as Go's net/url has it, of bytes: what must be encoded hangs on the part. Not URLs (`uris`)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_to_bytes

from authz_rego.errors import BuiltinError

_UNRESERVED: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~"
# What stands for itself in each part.
QUERY: Final = _UNRESERVED
PATH: Final = _UNRESERVED + "$&+,/:;=@"
FRAGMENT: Final = PATH + "?!()*"
HOST: Final = _UNRESERVED + "!$&'()*+,;=:[]<>\""

_MALFORMED: Final = re.compile(rb"%(?![0-9a-fA-F]{2})")
_CODE: Final = re.compile(rb"%([0-9a-fA-F]{2})")
_ASCII_CODE: Final = re.compile(rb"%(?!25)[0-7]")


def escaped(content: bytes, plain: str) -> str:
    """Everything but the plain characters as `%XX`."""
    return content.decode("latin-1").translate(_table(plain))


def unescaped(content: bytes) -> bytes:
    """The bytes that are meant; raises BuiltinError for a `%` without two hexadecimal digits."""
    _require_whole_codes(content)
    return unquote_to_bytes(content)


def unescaped_query(content: bytes) -> bytes:
    """The same where a plus sign stands for a space."""
    return unescaped(content.replace(b"+", b" "))


def unescaped_host(content: bytes) -> bytes:
    """The same for a host, where only other bytes than ASCII may be encoded, and the percent sign of a zone."""
    _require_whole_codes(content)
    if _ASCII_CODE.search(content):
        raise BuiltinError("invalid URL escape in a host")
    _require_plain(content)
    return unquote_to_bytes(content)


def unescaped_zone(content: bytes) -> bytes:
    """The same for the zone of an address, from its `%25` on: codes stand for what a host may hold, and for spaces."""
    _require_whole_codes(content)
    for match in _CODE.finditer(content):
        if match[0] != b"%25" and _byte(match) not in _ZONE_BYTES:
            raise BuiltinError("invalid URL escape in a zone")
    _require_plain(content)
    return unquote_to_bytes(content)


def _require_whole_codes(content: bytes) -> None:
    if _MALFORMED.search(content):
        raise BuiltinError("invalid URL escape")


def _require_plain(content: bytes) -> None:
    if not _PLAIN_HOST.fullmatch(content):
        raise BuiltinError("invalid character in host name")


def _byte(match: re.Match[bytes]) -> bytes:
    return bytes.fromhex(match[1].decode())


_ZONE_BYTES: Final = frozenset(each.encode() for each in HOST + " ")
_PLAIN_HOST: Final = re.compile(rb"[%\x80-\xff" + re.escape(HOST.encode()) + rb"]*")


@lru_cache(maxsize=8)
def _table(plain: str) -> dict[int, str]:
    return {code: f"%{code:02X}" for code in range(256) if chr(code) not in plain}
