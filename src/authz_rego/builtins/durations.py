"""Durations as OPA reads them, "1h30m", "-1.5d": in nanoseconds. Not instants (`times`)."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from authz_rego.errors import BuiltinError

_UNITS: Final = {
    "ns": 1,
    "us": 1_000,
    "\u00b5s": 1_000,  # the micro sign
    "\u03bcs": 1_000,  # the Greek letter mu
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
# OPA's own units; it writes them as hours and lets Go read those.
_HOURS: Final = {"d": 24, "w": 7 * 24, "y": 365 * 24}
_LIMIT: Final = 2**63

_PIECE: Final = re.compile(r"([0-9]*)(\.?)([0-9]*)([^0-9.]*)")
_EXTENDED: Final = re.compile(r"[+-]?(?:[0-9.]+(?:ms|us|\u00b5s|ns|[a-z]))+")
_EXTENDED_PIECE: Final = re.compile(r"([0-9.]+)(ms|us|\u00b5s|ns|[a-z])")
_PLAIN_FLOAT: Final = re.compile(r"[0-9]+\.?[0-9]*|\.[0-9]+")


def parse_duration(text: str) -> int:
    """Nanoseconds, within 64 bits; raises BuiltinError for anything that is no duration."""
    if not any(unit in text for unit in _HOURS):
        return _parse(text, text)
    if _EXTENDED.fullmatch(text) is None:
        raise _refusal(text)
    return _parse(_EXTENDED_PIECE.sub(_in_hours, text), text)


def _refusal(text: str) -> BuiltinError:
    return BuiltinError(f"time: invalid duration {text[:64]!r}")


def _in_hours(match: re.Match[str]) -> str:
    """A piece with OPA's own units as a number of hours, calculated in floating point as OPA does."""
    digits, unit = match.groups()
    if unit not in _HOURS:
        return match[0]
    if _PLAIN_FLOAT.fullmatch(digits) is None:
        raise _refusal(match[0])
    hours = float(digits) * _HOURS[unit]
    if hours == float("inf"):
        raise _refusal(match[0])
    written = f"{Decimal(repr(hours)):f}"
    return f"{written.removesuffix('.0')}h"


def _parse(text: str, original: str) -> int:
    """Go's ParseDuration, with its sums in 64 bits without sign."""
    negative = text.startswith("-")
    rest = text[1:] if text[:1] in {"+", "-"} else text
    if rest == "0":
        return 0
    if not rest or rest[0] not in "0123456789.":
        raise _refusal(original)
    total = 0
    for match in _PIECE.finditer(rest):
        if match.end() > match.start():
            total = (total + _nanoseconds(match, original)) % 2**64
            if total > _LIMIT:
                raise _refusal(original)
    if total == _LIMIT and not negative:
        raise _refusal(original)
    return -total if negative else total


def _nanoseconds(match: re.Match[str], original: str) -> int:
    whole, _, fraction, name = match.groups()
    unit = _UNITS.get(name)
    significant = whole.lstrip("0")
    if unit is None or not (whole or fraction) or len(significant) > 19:
        raise _refusal(original)
    number = int(significant or "0")
    if number > _LIMIT // unit:
        raise _refusal(original)
    found = number * unit + _fraction(fraction, unit)
    if found > _LIMIT:
        raise _refusal(original)
    return found


def _fraction(digits: str, unit: int) -> int:
    """What the digits behind the point are worth, in floating point; digits that no longer fit 64 bits are left out."""
    number, scale = 0, 1.0
    for digit in digits:
        following = number * 10 + int(digit)
        if number > (2**63 - 1) // 10 or following > 2**63:
            break
        number, scale = following, scale * 10
    return int(float(number) * (float(unit) / scale)) if number else 0
