"""Looking into values: what is at a key, and all that is in there, in Rego's order. Not into rules (`documents`)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from authz_rego.values.number import int64_of, int64_of_text
from authz_rego.values.value import UNDEFINED, Key, Value, key_of, sorted_keys, value_of

COLLECTIONS: Final = frozenset({list, dict, frozenset})


def lookup(value: Value, key: Value) -> Value:
    """`value[key]`, or UNDEFINED. A set has its members at themselves; a string has nothing in it."""
    kind = type(value)
    if kind is dict:
        return value.get(key if type(key) is str else Key(key), UNDEFINED)
    if kind is list:
        index = key if type(key) is int else _index(key)
        return value[index] if index is not None and 0 <= index < len(value) else UNDEFINED
    if kind is frozenset:
        return key if key_of(key) in value else UNDEFINED
    return UNDEFINED


def _index(key: Value) -> int | None:
    return None if type(key) in {str, bool, list, dict, frozenset} or key is None else int64_of(key)


def items(value: Value) -> Iterable[tuple[Value, Value]]:
    """Each key with what is at it."""
    kind = type(value)
    if kind is list:
        return enumerate(value)
    if kind is dict:
        return [(value_of(key), value[key]) for key in sorted_keys(value)]
    if kind is frozenset:
        members = map(value_of, sorted_keys(value))
        return [(member, member) for member in members]
    return ()


def members(value: Value) -> Iterable[Value]:
    """What is at each key."""
    kind = type(value)
    if kind is list:
        return value  # type: ignore[no-any-return]
    if kind is dict:
        return [value[key] for key in sorted_keys(value)]
    if kind is frozenset:
        return [value_of(key) for key in sorted_keys(value)]
    return ()


def find(value: Value, path: Iterable[Value]) -> Value:
    """`value[a][b]…`, or UNDEFINED."""
    for key in path:
        value = lookup(value, key)
        if value is UNDEFINED:
            break
    return value


def base_lookup(value: Value, key: Value) -> Value:
    """`lookup` in data that no rule made: OPA addresses it by text, so that `1` and `"1"` are the same there."""
    kind = type(value)
    if kind is dict:
        name = _name(key)
        return UNDEFINED if name is None else value.get(name, UNDEFINED)
    if kind is list:
        index = int64_of_text(key) if type(key) is str else _index(key)
        return value[index] if index is not None and 0 <= index < len(value) else UNDEFINED
    return UNDEFINED


def _name(key: Value) -> str | None:
    if type(key) is str:
        return key
    if type(key) is bool or key is None or type(key) in COLLECTIONS:
        return None
    return str(key) if type(key) is int else str(key.text)
