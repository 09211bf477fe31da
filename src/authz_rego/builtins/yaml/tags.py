"""Tags, anchors and directives as they are written. Not what a tag means (`resolving`)."""

from __future__ import annotations

import re
from typing import Final

from authz_rego.builtins.yaml.cursor import BLANKS, BLANKS_OR_END, Cursor
from authz_rego.builtins.yaml.tokens import Kind, Token

_NAME: Final = re.compile(r"[0-9A-Za-z_-]*")
_HANDLE: Final = re.compile(r"![0-9A-Za-z_-]*!?")
_BLANKS: Final = re.compile(r"[ \t]*")
_DIGITS: Final = re.compile(r"[0-9]*")
_URI_RUN: Final = re.compile(r"[0-9A-Za-z_;/?:@&=+$,.!~*'()\[\]-]*")
_CODE: Final = re.compile(r"%[0-9a-fA-F]{2}")
_BEHIND_NAME: Final = BLANKS_OR_END | frozenset("?:,]}%@`")


def scan_anchor(cursor: Cursor) -> Token:
    """An anchor `&x` or an alias `*x`."""
    kind = Kind.ALIAS if cursor.peek() == "*" else Kind.ANCHOR
    line = cursor.line
    cursor.skip()
    name = cursor.take(_NAME)
    if not name or cursor.peek() not in _BEHIND_NAME:
        raise cursor.refusal("did not find expected alphabetic or numeric character")
    return Token(kind, line, name)


def scan_tag(cursor: Cursor) -> Token:
    """`!suffix`, `!handle!suffix` or `!<uri>`."""
    line = cursor.line
    if cursor.peek(1) == "<":
        cursor.skip(2)
        handle, suffix = "", _scan_uri(cursor, is_needed=True)
        if cursor.peek() != ">":
            raise cursor.refusal("did not find the expected '>'")
        cursor.skip()
    else:
        handle = cursor.take(_HANDLE)
        is_handle = len(handle) > 1 and handle.endswith("!")
        suffix = _scan_uri(cursor, is_needed=is_handle)
        if not is_handle:
            suffix = handle[1:] + suffix
            handle, suffix = ("!", suffix) if suffix else ("", "!")
    if cursor.peek() not in BLANKS_OR_END:
        raise cursor.refusal("did not find expected whitespace or line break")
    return Token(Kind.TAG, line, handle, suffix)


def _scan_uri(cursor: Cursor, *, is_needed: bool) -> str:
    start = cursor.at
    found = cursor.take(_URI_RUN).encode()
    while cursor.peek() == "%":
        found += _scan_character(cursor) + cursor.take(_URI_RUN).encode()
    if is_needed and cursor.at == start:
        raise cursor.refusal("did not find expected tag URI")
    return found.decode(errors="replace")


def _scan_character(cursor: Cursor) -> bytes:
    """A character's bytes, each written as `%XX`."""
    found = bytes.fromhex(cursor.take(_CODE)[1:])
    length = _width(found)
    while 0 < len(found) < length:
        octet = bytes.fromhex(cursor.take(_CODE)[1:])
        if not octet or octet[0] & 0xC0 != 0x80:
            break
        found += octet
    if not found or len(found) != length:
        raise cursor.refusal("did not find URI escaped octet")
    return found


def _width(first: bytes) -> int:
    """How many bytes a character has that begins so; 0 when none does."""
    octet = first[0] if first else 0xFF
    for width, mask, lead in ((1, 0x80, 0), (2, 0xE0, 0xC0), (3, 0xF0, 0xE0), (4, 0xF8, 0xF0)):
        if octet & mask == lead:
            return width
    return 0


def scan_directive(cursor: Cursor) -> Token:
    """`%YAML 1.1` or `%TAG ! tag:x,2000:`, with the rest of the line."""
    line = cursor.line
    cursor.skip()
    name = cursor.take(_NAME)
    if not name or cursor.peek() not in BLANKS_OR_END:
        raise cursor.refusal("could not find expected directive name")
    cursor.take(_BLANKS)
    if name == "YAML":
        token = Token(Kind.VERSION, line, _scan_version(cursor))
    elif name == "TAG":
        token = Token(Kind.TAG_DIRECTIVE, line, *_scan_tag_directive(cursor))
    else:
        raise cursor.refusal("found unknown directive name")
    cursor.take(_BLANKS)
    cursor.end_line()
    return token


def _scan_version(cursor: Cursor) -> str:
    major = cursor.take(_DIGITS)
    if not 1 <= len(major) <= 2 or cursor.peek() != ".":
        raise cursor.refusal("did not find expected digit or '.' character")
    cursor.skip()
    minor = cursor.take(_DIGITS)
    if not 1 <= len(minor) <= 2:
        raise cursor.refusal("did not find expected version number")
    return f"{int(major)}.{int(minor)}"


def _scan_tag_directive(cursor: Cursor) -> tuple[str, str]:
    handle = cursor.take(_HANDLE)
    if not handle.endswith("!"):
        raise cursor.refusal("did not find expected '!'")
    if cursor.peek() not in BLANKS:
        raise cursor.refusal("did not find expected whitespace")
    cursor.take(_BLANKS)
    prefix = _scan_uri(cursor, is_needed=True)
    if cursor.peek() not in BLANKS_OR_END:
        raise cursor.refusal("did not find expected whitespace or line break")
    return handle, prefix
