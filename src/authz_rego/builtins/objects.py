"""OPA's `object.*`. Not paths into documents (`json_documents`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from authz_rego.builtins.operands import kind_of, wrong_operand
from authz_rego.errors import BuiltinError
from authz_rego.values.number import Number, int64_of
from authz_rego.values.value import UNDEFINED, Key, Value, equal, key_of, sorted_keys, value_of

Object = dict[str | Key, Value]


def object_operand(value: Value, position: int) -> Object:
    """The operand, which must be an object."""
    if type(value) is not dict:
        raise wrong_operand(value, position, "object")
    return value


def filtered(value: Value, wanted: Value) -> Value:
    """What of a value is in a tree of keys with null at its leaves; an array's positions are text there."""
    if wanted is None:
        return value
    kind = type(value)
    if kind is list:
        at = enumerate(value)
        return [filtered(member, wanted[str(index)]) for index, member in at if str(index) in wanted]
    if kind is frozenset:
        kept = [key for key in sorted_keys(value) if key in wanted]
        return frozenset(key_of(filtered(value_of(key), wanted[key])) for key in kept)
    if kind is dict:
        # The longer one gives the keys: 1 and 1.0 are equal, but are written differently.
        longer, other = (wanted, value) if len(value) < len(wanted) else (value, wanted)
        return {key: filtered(value[key], wanted[key]) for key in longer if key in other}
    return value


def _get(value: Value, path: Value, default: Value) -> Value:
    found = object_operand(value, 1)
    if type(path) is not list:
        at = found.get(key_of(path), UNDEFINED)
        return default if at is UNDEFINED else at
    here: Value = found
    for key in path:
        here = _inside(here, key)
        if here is UNDEFINED:
            return default
    return here


def _inside(value: Value, key: Value) -> Value:
    kind = type(value)
    if kind is dict:
        return value.get(key_of(key), UNDEFINED)
    if kind is frozenset:
        return key if key_of(key) in value else UNDEFINED
    if kind is list and (type(key) is int or type(key) is Number):
        index = int64_of(key)
        return value[index] if index is not None and 0 <= index < len(value) else UNDEFINED
    return UNDEFINED


def _filter(value: Value, keys: Value) -> Value:
    found = object_operand(value, 1)
    return filtered(found, dict.fromkeys(_keys_operand(keys)))


def _remove(value: Value, keys: Value) -> Value:
    found = object_operand(value, 1)
    unwanted = _keys_operand(keys)
    return {key: member for key, member in found.items() if key not in unwanted}


def _keys_operand(keys: Value) -> Any:
    """Something to look keys up in, in Rego's order."""
    if type(keys) is list:
        return dict.fromkeys(map(key_of, keys))
    if type(keys) is frozenset or type(keys) is dict:
        return keys
    raise wrong_operand(keys, 2, "object", "set", "array")


def _keys(value: Value) -> Value:
    return frozenset(object_operand(value, 1))


def _union(one: Value, other: Value) -> Value:
    mine, theirs = object_operand(one, 1), object_operand(other, 2)
    if not mine:
        return theirs
    return mine if not theirs or equal(mine, theirs) else _merged(mine, theirs)


def _merged(one: Object, other: Object) -> Object:
    """The second wins, except that objects become one, at any depth."""
    found = dict(one)
    for key, theirs in other.items():
        mine = found.get(key)
        found[key] = _merged(mine, theirs) if type(mine) is dict and type(theirs) is dict else theirs
    return found


def _union_n(objects: Value) -> Value:
    if type(objects) is not list:
        raise wrong_operand(objects, 1, "array")
    for each in objects:
        if type(each) is not dict:
            raise BuiltinError(f"operand 1 must be array of objects but got array containing {kind_of(each)}")
    if len(objects) == 1:
        return objects[0]
    # From the last to the first: what is there stays, and what stood before something that is no object is lost.
    found: Object = {}
    closed: set[int] = set()
    for each in reversed(objects):
        _fill(found, each, closed)
    return found


def _fill(into: Object, given: Object, closed: set[int]) -> None:
    for key, theirs in given.items():
        mine = into.get(key, UNDEFINED)
        if mine is UNDEFINED:
            into[key] = _copied(theirs)
        elif type(mine) is dict and type(theirs) is dict:
            if id(mine) not in closed:
                _fill(mine, theirs, closed)
        elif type(mine) is dict:
            closed.add(id(mine))


def _copied(value: Value) -> Value:
    """Objects are made anew: only what we made may be changed."""
    return {key: _copied(member) for key, member in value.items()} if type(value) is dict else value


def _subset(whole: Value, part: Value) -> Value:
    kind, kind_of_part = type(whole), type(part)
    if kind is kind_of_part and kind in {dict, frozenset, list}:
        return _is_part(whole, part)
    if kind is list and kind_of_part is frozenset:
        return _has_members(whole, part)
    raise BuiltinError("both arguments object.subset must be of the same type or array and set")


def _is_part(whole: Value, part: Value) -> bool:
    if type(whole) is dict:
        return all(key in whole and _is_equal_or_part(whole[key], member) for key, member in part.items())
    if type(whole) is frozenset:
        return all(key in whole for key in part)
    starts = range(len(whole) - len(part) + 1)
    return any(all(map(equal, whole[start : start + len(part)], part)) for start in starts)


def _is_equal_or_part(whole: Value, part: Value) -> bool:
    if equal(part, whole):
        return True
    return type(whole) is type(part) and type(whole) in {dict, frozenset, list} and _is_part(whole, part)


def _has_members(array: list[Value], members: frozenset[str | Key]) -> bool:
    """As OPA counts: what stands twice in the array counts twice, and an empty array has not even no members."""
    missing = len(members)
    for each in array:
        missing -= key_of(each) in members
        if missing == 0:
            return True
    return False


FUNCTIONS: Final[dict[str, Callable[..., Value]]] = {
    "object.filter": _filter,
    "object.get": _get,
    "object.keys": _keys,
    "object.remove": _remove,
    "object.subset": _subset,
    "object.union": _union,
    "object.union_n": _union_n,
}
