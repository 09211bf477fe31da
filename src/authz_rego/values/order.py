"""The total order of Rego's values, and sorting by it. Not equality alone (`value.equal`), which is quicker."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from functools import cmp_to_key
from typing import Final

from authz_rego.values.byte_texts import raw_of
from authz_rego.values.number import Number, compare_numbers
from authz_rego.values.value import Key, Value, value_of

_RANKS: Final[dict[type, int]] = {
    type(None): 0,
    bool: 1,
    int: 2,
    Number: 2,
    str: 3,
    list: 4,
    dict: 5,
    frozenset: 6,
}


def compare(one: Value, other: Value) -> int:
    """-1, 0 or 1: null < booleans < numbers < strings < arrays < objects < sets, and within them as OPA does."""
    kind = type(one)
    if kind is not type(other):
        rank, other_rank = _RANKS[kind], _RANKS[type(other)]
        return compare_numbers(one, other) if rank == other_rank else (rank > other_rank) - (rank < other_rank)
    if kind is str and not one.isascii() and not other.isascii():
        one, other = raw_of(one), raw_of(other)
    if kind is int or kind is str or kind is bool:
        return int(one > other) - int(one < other)
    if kind is list:
        return _compare_arrays(one, other)
    if kind is dict:
        return _compare_objects(one, other)
    if kind is frozenset:
        return _compare_arrays([*map(value_of, sorted_keys(one))], [*map(value_of, sorted_keys(other))])
    return 0 if one is None else compare_numbers(one, other)


def sorted_values(values: Iterable[Value]) -> list[Value]:
    """The values in order; equal ones stay in the order they came in."""
    found = list(values)
    kinds = set(map(type, found))
    if kinds == {str}:
        return sorted(found, key=text_order(found))
    if kinds == {int}:
        return sorted(found)
    return sorted(found, key=cmp_to_key(compare))


def sorted_keys(keys: Iterable[str | Key]) -> list[str | Key]:
    """Keys of an object, or members of a set, in the order of the values they stand for: Rego's order of iteration."""
    found = list(keys)
    if set(map(type, found)) <= {str}:
        found.sort(key=text_order(found))  # type: ignore[arg-type]
        return found
    if all(type(key) is Key and type(key.value) is int for key in found):
        return sorted(found, key=value_of)
    return sorted(found, key=cmp_to_key(_compare_keys))


def text_order(texts: Collection[str]) -> Callable[[str], bytes] | None:
    """What to sort these texts by: their bytes, which are in the order of the texts themselves if none is torn."""
    # A torn text is neither ASCII nor printable: a surrogate is not. To encode each costs three times as much.
    return None if all(map(str.isascii, texts)) or all(map(str.isprintable, texts)) else raw_of


def _compare_keys(one: str | Key, other: str | Key) -> int:
    mine, theirs = value_of(one), value_of(other)
    found = compare(mine, theirs)
    if found == 0 and type(mine) is Number and type(theirs) is Number:
        # 1e400 and 10e399 are equal, yet both are members of a set: some order must be the same in all processes.
        return (mine.text > theirs.text) - (mine.text < theirs.text)
    return found


def _compare_arrays(one: list[Value], other: list[Value]) -> int:
    for mine, theirs in zip(one, other, strict=False):
        found = compare(mine, theirs)
        if found:
            return found
    return (len(one) > len(other)) - (len(one) < len(other))


def _compare_objects(one: dict[str | Key, Value], other: dict[str | Key, Value]) -> int:
    for mine, theirs in zip(sorted_keys(one), sorted_keys(other), strict=False):
        found = compare(value_of(mine), value_of(theirs)) or compare(one[mine], other[theirs])
        if found:
            return found
    return (len(one) > len(other)) - (len(one) < len(other))
