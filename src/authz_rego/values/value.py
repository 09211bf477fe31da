"""Equality and hashing of Rego's values. Not their order (`order`), not their text."""

from __future__ import annotations

from math import isinf
from typing import Any, Final, TypeAlias

from authz_rego.values.number import Number, float64, hash_of

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
    from authz_rego.values.order import compare

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
