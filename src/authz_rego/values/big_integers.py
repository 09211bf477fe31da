"""Integers of many thousand digits to and from their text, which Python refuses to do. Not other numbers (`number`)."""

from __future__ import annotations

from typing import Final

MAX_DIGITS: Final = 100_000  # ours: the text of a number is not longer
MAX_BITS: Final = 300_000  # ours: an integer that is computed is not longer; its text has less than MAX_DIGITS digits
_PYTHONS_LIMIT: Final = 4_000  # digits; Python's own limit is 4,300 and belongs to the process


class BeyondBoundsError(ValueError):
    """Something that OPA could take and we do not: were it merely undefined, a `not` around it would hold."""


def integer_of(text: str) -> int:
    """The integer of decimal digits, with a sign or without."""
    if len(text) <= _PYTHONS_LIMIT:
        return int(text)
    if text[0] in "+-":
        return -integer_of(text[1:]) if text[0] == "-" else integer_of(text[1:])
    low = len(text) // 2
    return integer_of(text[:-low]) * int(10**low) + integer_of(text[-low:])


def text_of(integer: int) -> str:
    """Its decimal digits."""
    if integer.bit_length() <= 3 * _PYTHONS_LIMIT:
        return str(integer)
    if integer < 0:
        return "-" + text_of(-integer)
    return _padded(integer, integer.bit_length() * 30103 // 100_000 + 2).lstrip("0")


def _padded(integer: int, width: int) -> str:
    if width <= _PYTHONS_LIMIT:
        return str(integer).zfill(width)
    low = width // 2
    upper, lower = divmod(integer, 10**low)
    return _padded(upper, width - low) + _padded(lower, low)
