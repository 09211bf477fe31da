"""What Go 1.26 knows of characters (Unicode 15.0), whatever this Python's Unicode is. Not what is done with them."""

from __future__ import annotations

import json
from bisect import bisect_right
from functools import cache
from importlib.resources import files
from typing import Any, Final, TypeAlias

# First and last code point of each run, flat and in order: (65, 90, 97, 122).
Ranges: TypeAlias = tuple[int, ...]

# Go's unicode.IsSpace. Python's str.strip() takes U+001C to U+001F as well.
SPACES: Final = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
LAST: Final = 0x10FFFF

_UNIONS: Final = {"LC": ("Ll", "Lt", "Lu")}
_PRINTABLE: Final = frozenset("LMNPS")


def is_printable(code: int) -> bool:
    """Go's strconv.IsPrint: letters, marks, numbers, punctuation, symbols, and of the spaces only U+0020."""
    return 32 <= code < 127 or (code > 127 and contains(_printable(), code))


def contains(ranges: Ranges, code: int) -> bool:
    """Whether a code point is in one of the runs."""
    at = bisect_right(ranges, code)
    return at % 2 == 1 or (at > 0 and ranges[at - 1] == code)


@cache
def upper_table() -> dict[int, int]:
    """Go's unicode.ToUpper for `str.translate`: a code point each, where Python's `str.upper` makes SS of ß."""
    return _mapping("upper")


@cache
def lower_table() -> dict[int, int]:
    """Go's unicode.ToLower for `str.translate`."""
    return _mapping("lower")


@cache
def orbits() -> dict[int, tuple[int, ...]]:
    """All code points that are the same when case is ignored, for each that has others: K, k and the Kelvin sign."""
    return {code: tuple(orbit) for orbit in document()["orbits"] for code in orbit}


@cache
def categories() -> dict[str, Ranges]:
    """Go's unicode.Categories: `Lu`, `L`, `LC` …"""
    leaves: dict[str, list[int]] = document()["categories"]
    parts: dict[str, tuple[str, ...]] = dict(_UNIONS)
    for name in leaves:
        parts[name[0]] = (*parts.get(name[0], ()), name)
    unions = {name: union(*(tuple(leaves[part]) for part in members)) for name, members in parts.items()}
    return {name: tuple(found) for name, found in leaves.items()} | unions


@cache
def category_aliases() -> dict[str, str]:
    """Go's unicode.CategoryAliases: `Letter` is `L`."""
    return dict(document()["category_aliases"])


@cache
def scripts() -> dict[str, Ranges]:
    """Go's unicode.Scripts: `Greek` …"""
    return {name: tuple(found) for name, found in document()["scripts"].items()}


def union(*many: Ranges) -> Ranges:
    """All runs, in order, joined where they touch."""
    runs = sorted((some[at], some[at + 1]) for some in many for at in range(0, len(some), 2))
    found: list[int] = []
    for first, last in runs:
        if found and first <= found[-1] + 1:
            found[-1] = max(found[-1], last)
        else:
            found += (first, last)
    return tuple(found)


def complement(ranges: Ranges) -> Ranges:
    """All code points that are in none of the runs, which must be in order and apart."""
    found: list[int] = []
    free = 0
    for at in range(0, len(ranges), 2):
        if free < ranges[at]:
            found += (free, ranges[at] - 1)
        free = ranges[at + 1] + 1
    if free <= LAST:
        found += (free, LAST)
    return tuple(found)


@cache
def _printable() -> Ranges:
    return union(*(found for name, found in categories().items() if name in _PRINTABLE))


def _mapping(name: str) -> dict[int, int]:
    flat: list[int] = document()[name]  # first, last, step, what is added: four numbers a run
    runs = zip(flat[::4], flat[1::4], flat[2::4], flat[3::4], strict=True)
    return {code: code + added for first, last, step, added in runs for code in range(first, last + 1, step)}


@cache
def document() -> dict[str, Any]:
    text = files("authz_rego.values").joinpath("characters.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found
