"""OPA's builtins that make one value of many, and whether a value is among others (`in`). Not set algebra (`sets`)."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Final

from authz_rego.builtins.operands import kind_of, wrong_operand
from authz_rego.errors import BuiltinError
from authz_rego.values.arithmetic import total, total_product
from authz_rego.values.number import Number, int64_of
from authz_rego.values.value import (
    UNDEFINED,
    Value,
    compare,
    equal,
    key_of,
    sorted_keys,
    sorted_values,
    text_order,
    value_of,
)


def is_member(value: Value, collection: Value) -> bool:
    """`value in collection`; false where the collection is none."""
    kind = type(collection)
    if kind is frozenset:
        return key_of(value) in collection
    if kind is dict:
        return any(equal(value, each) for each in collection.values())
    if kind is not list:
        return False
    if type(value) is str:  # a string equals strings alone: Python may search
        return value in collection
    return any(equal(value, each) for each in collection)


def is_member_at(key: Value, value: Value, collection: Value) -> bool:
    """`key, value in collection`."""
    kind = type(collection)
    if kind is frozenset:
        return key_of(key) in collection and equal(key, value)
    if kind is dict:
        found = collection.get(key_of(key), UNDEFINED)
        return found is not UNDEFINED and equal(value, found)
    if kind is not list or (type(key) is not int and type(key) is not Number):
        return False
    index = int64_of(key)
    return index is not None and 0 <= index < len(collection) and equal(value, collection[index])


def _count(collection: Value) -> Value:
    if type(collection) not in {list, dict, frozenset, str}:
        raise wrong_operand(collection, 1, "array", "object", "set", "string")
    return len(collection)


def _sum(collection: Value) -> Value:
    return total(_numbers(collection))


def _product(collection: Value) -> Value:
    return total_product(_numbers(collection))


def _max(collection: Value) -> Value:
    """Of equal numbers the last one, as it is written."""
    members = _some_members(collection, "max")
    kinds = set(map(type, members))
    if kinds == {int}:
        return max(members)
    if kinds == {str}:
        return max(members, key=text_order(members))
    return reduce(lambda most, each: each if compare(most, each) <= 0 else most, members)


def _min(collection: Value) -> Value:
    members = _some_members(collection, "min")
    kinds = set(map(type, members))
    if kinds == {int}:
        return min(members)
    if kinds == {str}:
        return min(members, key=text_order(members))
    return reduce(lambda least, each: each if compare(least, each) >= 0 else least, members)


def _sort(collection: Value) -> Value:
    return sorted_values(collection) if type(collection) is list else _members(collection)


def _members(collection: Value) -> list[Value]:
    if type(collection) is list:
        return collection
    if type(collection) is frozenset:
        return [*map(value_of, sorted_keys(collection))]
    raise wrong_operand(collection, 1, "set", "array")


def _some_members(collection: Value, name: str) -> list[Value]:
    members = _members(collection)
    if not collection:
        raise BuiltinError(f"{name}: nothing there; OPA has no error here, and no answer")
    return members


def _numbers(collection: Value) -> list[int | Number]:
    members = _members(collection)
    for each in members:
        if type(each) is not int and type(each) is not Number:
            kind = kind_of(collection)
            raise BuiltinError(f"operand 1 must be {kind} of numbers but got {kind} containing {kind_of(each)}")
    return members


FUNCTIONS: Final[dict[str, Callable[..., Value]]] = {
    "count": _count,
    "sum": _sum,
    "product": _product,
    "max": _max,
    "min": _min,
    "sort": _sort,
    "internal.member_2": is_member,
    "internal.member_3": is_member_at,
}
