"""The order in which go-yaml writes the members of a mapping: "a2" before "a10". Not Rego's order (`values.value`)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cmp_to_key
from itertools import combinations
from typing import Final

from authz_rego.builtins.bounds import beyond_bounds
from authz_rego.builtins.go_calendar import int64
from authz_rego.values.characters import categories, contains

_LONG_NUMBER: Final = re.compile(r"\d{14}")  # any shorter one, of whatever digits, has place in 64 bits
_MOST_LONG_NUMBERS: Final = 500
NO_ORDER: Final = "keys with numbers of more than 64 bits have no certain order"


def sorted_keys(keys: Iterable[str]) -> list[str]:
    """The keys in order; raises EvaluationError where go-yaml's order runs in a circle: OPA's is by chance then."""
    found = sorted(keys, key=cmp_to_key(_compare))
    if any(map(_LONG_NUMBER.search, found)) and (
        len(found) > _MOST_LONG_NUMBERS or any(_compare(*pair) > 0 for pair in combinations(found, 2))
    ):
        raise beyond_bounds("yaml.marshal", NO_ORDER)
    return found


def _compare(one: str, other: str) -> int:
    after_digits = False
    for at, (mine, theirs) in enumerate(zip(one, other, strict=False)):
        if mine == theirs:
            after_digits = _is_digit(mine)
        else:
            return -1 if _is_less(one, other, at, after_digits=after_digits) else 1
    return (len(one) > len(other)) - (len(one) < len(other))


def _is_less(one: str, other: str, at: int, *, after_digits: bool) -> bool:
    """Decides by the first characters that differ: letters come behind others, but behind digits before them."""
    mine, theirs = one[at], other[at]
    mine_is_letter, theirs_is_letter = _is_letter(mine), _is_letter(theirs)
    if mine_is_letter and theirs_is_letter:
        return mine < theirs
    if mine_is_letter or theirs_is_letter:
        return mine_is_letter if after_digits else theirs_is_letter
    start = 1 if "0" in (mine, theirs) and _has_number_before(one, at) else 0
    my_number, my_end = _number(one, at, start)
    their_number, their_end = _number(other, at, start)
    if my_number != their_number:
        return my_number < their_number
    return my_end < their_end if my_end != their_end else mine < theirs


def _has_number_before(text: str, at: int) -> bool:
    """Whether a digit other than 0 is among those right before the place."""
    while at > 0 and _is_digit(text[at - 1]):
        at -= 1
        if text[at] != "0":
            return True
    return False


def _number(text: str, at: int, number: int) -> tuple[int, int]:
    """The number's digits behind those given, in 64 bits; and where they end."""
    while at < len(text) and _is_digit(text[at]):
        number = int64(number * 10 + ord(text[at]) - ord("0"))
        at += 1
    return number, at


def _is_digit(character: str) -> bool:
    return "0" <= character <= "9" if character < "\x80" else contains(categories()["Nd"], ord(character))


def _is_letter(character: str) -> bool:
    return character.isalpha() if character < "\x80" else contains(categories()["L"], ord(character))
