"""Equality, hashing and order of Rego's values. Not their text."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from functools import cmp_to_key
from math import isinf
from typing import Any, Final, TypeAlias

from authz_rego.values.byte_texts import raw_of
from authz_rego.values.number import Number, compare_numbers, float64, hash_of

Value: TypeAlias = Any  # None | bool | int | Number | str | list[Value] | dict[str | Key, Value] | frozenset[str | Key]


class _Undefined:
    """The absence of a value. There is one, `UNDEFINED`; it is false, and equal to itself only."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "UNDEFINED"

    def __bool__(self) -> bool:
        return False

    def __reduce__(self) -> str:
        return "UNDEFINED"


UNDEFINED: Final = _Undefined()


class Key:
    """Stands for a value that is no string where Python wants something hashable: `True` is not 1 here, `1.0` is."""

    __slots__ = ("hash", "value")

    def __init__(self, value: Value) -> None:
        self.value = value
        self.hash = _hash(value)

    def __eq__(self, other: object) -> bool:
        return type(other) is Key and self.hash == other.hash and equal(self.value, other.value)

    def __hash__(self) -> int:
        return self.hash

    def __repr__(self) -> str:
        return f"Key({self.value!r})"


def key_of(value: Value) -> str | Key:
    """What stands for a value in a `dict` or a `frozenset`."""
    return value if type(value) is str else Key(value)


class TextKey(Key):
    """A number at a place of the rules: OPA knows it there by its text, so that `1.0` is not 1."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return type(other) is TextKey and self.value.text == other.value.text

    def __hash__(self) -> int:
        return self.hash


def place_key(value: Value) -> str | Key:
    """What stands for a value at a place of the rules."""
    return TextKey(value) if type(value) is Number else key_of(value)


def value_of(key: str | Key) -> Value:
    """The value that a key stands for."""
    return key if type(key) is str else key.value  # type: ignore[union-attr]


def equal(one: Value, other: Value) -> bool:
    """Rego's `==`: numbers by their value, everything else by type and content."""
    if one is other:
        return True
    kind = type(one)
    if kind is not type(other):
        return (kind is Number or type(other) is Number) and bool(one == other)
    if kind is list:
        return len(one) == len(other) and all(map(equal, one, other))
    if kind is dict:
        return len(one) == len(other) and _equal_objects(one, other)
    if kind is frozenset:
        return one == other or (len(one) == len(other) and _equal_in_order(one, other))
    return bool(one == other)


def _equal_objects(one: dict[str | Key, Value], other: dict[str | Key, Value]) -> bool:
    for key, value in one.items():
        found = other.get(key, UNDEFINED)
        if found is UNDEFINED:
            return _equal_in_order(one, other)
        if not equal(value, found):
            return False
    return True


def _equal_in_order(one: Any, other: Any) -> bool:
    """Whether sets or objects are equal whose keys are not: 1e400 and 10e399, which OPA does not find by each other."""
    if not any(type(key) is Key and _has_vast_number(key.value) for key in one):
        return False
    return compare(one, other) == 0


def _has_vast_number(value: Value) -> bool:
    kind = type(value)
    if kind is int or kind is Number:
        return isinf(float64(value))
    if kind is dict:
        return any(map(_has_vast_number, value.values())) or any(map(_has_vast_number, map(value_of, value)))
    if kind is frozenset:
        return any(map(_has_vast_number, map(value_of, value)))
    return kind is list and any(map(_has_vast_number, value))


def _hash(value: Value) -> int:
    kind = type(value)
    if kind is bool or value is None:
        return 1237 if value is None else 1231 + value
    if kind is list:
        return hash(tuple(map(_hash, value)))
    if kind is dict:
        return hash(frozenset((hash(key), _hash(member)) for key, member in value.items()))
    if kind is int or kind is Number:
        return hash_of(value)
    return hash(value)


# ── the total order, as OPA has it ──

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
