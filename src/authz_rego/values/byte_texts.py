"""Texts that are no UTF-8: OPA's strings are bytes, and builtins such as `base64.decode` make any. Not encodings.

Ours are code points. A byte that is no part of a character is one of U+DC80 to U+DCFF, which no other text of ours has
(PEP 383: Python's `surrogateescape`). Such a text is called torn here. It is always what its bytes decode to, so that
texts are equal where their bytes are, and each such byte counts as one character, as a rune does in Go.

Code points are in the order of their UTF-8 bytes; torn texts are not, and must be ordered by their bytes.
"""

from __future__ import annotations

import re
from array import array
from typing import Final

_LONE_BYTE: Final = re.compile("[\udc80-\udcff]")
LONE_BYTES: Final = "".join(map(chr, range(0xDC80, 0xDD00)))
REPLACEMENT: Final = "\ufffd"


def raw_of(text: str) -> bytes:
    """The text's bytes, as Go has them."""
    return text.encode("utf-8", "surrogateescape")


def text_of_bytes(raw: bytes) -> str:
    """The text of any bytes."""
    return raw.decode("utf-8", "surrogateescape")


def is_torn(text: str) -> bool:
    """Whether it has a byte that is no part of a character."""
    if text.isascii():
        return False
    try:
        text.encode()  # quicker than to look for it: there mostly is none
    except UnicodeEncodeError:
        return True
    return False


def mended(text: str) -> str:
    """A text that was put together: bytes of two pieces may be a character now."""
    return text_of_bytes(raw_of(text)) if is_torn(text) else text


def readable(text: str) -> str:
    """The text with U+FFFD for each such byte: what Go makes of it where it goes by runes, or writes JSON."""
    return _LONE_BYTE.sub(REPLACEMENT, text) if is_torn(text) else text


def alike(characters: str) -> str:
    """The characters, and all that Go takes for one of them in a list: any byte that is no UTF-8 is U+FFFD there."""
    if characters.isascii() or not (REPLACEMENT in characters or is_torn(characters)):
        return characters
    return characters + REPLACEMENT + LONE_BYTES


def json_escaped(text: str) -> str:
    r"""JSON text as Go writes it: there such a byte is the six characters `\ufffd`."""
    return _LONE_BYTE.sub(r"\\ufffd", text)


def lone_bytes_in(text: str) -> array[int]:
    """Where they stand in the readable text's bytes."""
    found, at = array("Q"), 0
    for piece in _LONE_BYTE.split(text)[:-1]:
        at += len(piece.encode())
        found.append(at)
        at += len(REPLACEMENT.encode())
    return found
