"""Whether a value can be of two types at once, and what the rules of one name are together. Not terms."""

from __future__ import annotations

from collections.abc import Iterable

from authz_rego.check.type_access import select, values_of
from authz_rego.check.types import (
    ANY,
    AnyType,
    ArrayType,
    Dynamic,
    FunctionType,
    ObjectType,
    ScalarType,
    SetType,
    Type,
    any_of,
    object_type,
    union,
)

# ── unification ──


def unifies(one: Type | None, other: Type | None) -> bool:  # noqa: PLR0911 - one line for each kind of type
    """Whether there can be a value of both types."""
    if one is None or other is None:
        return False
    if type(one) is AnyType or type(other) is AnyType:
        return (type(one) is AnyType and _unifies_any(one, other)) or (
            type(other) is AnyType and _unifies_any(other, one)
        )
    match one, other:
        case ScalarType(), ScalarType():
            return one.name == other.name
        case ArrayType(), ArrayType():
            return _unifies_arrays(one, other)
        case ObjectType(), ObjectType():
            return _unifies_objects(one, other)
        case SetType(), SetType():
            return one.of is None or other.of is None or unifies(values_of(one), values_of(other))
        case FunctionType(), FunctionType() if one.arity == other.arity:
            return all(map(unifies, one.args, other.args))
    return False


def _unifies_any(one: AnyType, other: Type) -> bool:
    if type(other) is FunctionType:
        return False
    return not one.of or any(unifies(each, other) for each in one.of)


def _unifies_arrays(one: ArrayType, other: ArrayType) -> bool:
    if not all(unifies(item, other.select(index)) for index, item in enumerate(one.static)):
        return False
    if not all(unifies(item, one.select(index)) for index, item in enumerate(other.static)):
        return False
    return one.dynamic is None or other.dynamic is None or unifies(one.dynamic, other.dynamic)


def _unifies_objects(one: ObjectType, other: ObjectType) -> bool:
    if not _unifies_members(one, other) or not _unifies_members(other, one):
        return False
    mine, theirs = _others(one), _others(other)
    return mine is None or theirs is None or unifies(mine, theirs)


def _unifies_members(one: ObjectType, other: ObjectType) -> bool:
    is_open = _others(one) is not None or _others(other) is not None
    for each in one.static:
        found = select(other, each.key)
        if found is None:
            if not is_open:
                return False
        elif not unifies(each.value, found):
            return False
    return True


def _others(type_: ObjectType) -> Type | None:
    return None if type_.dynamic is None else type_.dynamic.value


# ── empty collections ──


def is_empty(type_: Type | None) -> bool:
    """Whether it is an array, an object or a set that holds nothing."""
    match type_:
        case ArrayType() | ObjectType():
            return not type_.static and type_.dynamic is None
        case SetType():
            return type_.of is None
    return False


def has_empty(type_: Type | None) -> bool:
    """Whether it is one, or one is in it (but for keys)."""
    if is_empty(type_):
        return True
    match type_:
        case ArrayType():
            return any(map(has_empty, type_.static)) or has_empty(type_.dynamic)
        case ObjectType():
            return any(has_empty(each.value) for each in type_.static) or has_empty(_others(type_))
        case SetType():
            return has_empty(type_.of)
        case AnyType():
            return any(map(has_empty, type_.of))
    return False


def without_empty(type_: Type | None) -> Type | None:
    """With anything in place of each empty collection: of what `with` replaces, that says nothing."""
    if is_empty(type_):
        return ANY
    match type_:
        case ArrayType():
            return ArrayType(tuple(map(without_empty, type_.static)), without_empty(type_.dynamic))
        case ObjectType():
            static = tuple(each._replace(value=without_empty(each.value)) for each in type_.static)
            others = type_.dynamic
            return ObjectType(static, others and Dynamic(others.key, without_empty(others.value)))
        case SetType():
            return SetType(without_empty(type_.of))
        case AnyType():
            return any_of(each for each in map(without_empty, type_.of) if each is not None)
    return type_


# ── rules of one name ──


class Widened:
    """Objects' other keys that were widened where they stand: whoever has one of them has to see it, as in OPA.

    OPA changes such a type in place. Here types are not changed: the tree of types is gone through, and gets new ones.
    """

    def __init__(self) -> None:
        # By id; the old ones are kept beside the new ones so that no id is given again.
        self._new: dict[int, tuple[Dynamic, Dynamic]] = {}
        self._types: dict[int, tuple[Type, Type]] = {}

    def add(self, old: Dynamic, new: Dynamic) -> None:
        self._new[id(old)] = old, new

    def __bool__(self) -> bool:
        return bool(self._new)

    def seen(self, type_: Type | None) -> Type | None:
        """The type as it is now; the very same when nothing in it was widened."""
        if type_ is None or isinstance(type_, ScalarType | FunctionType):
            return type_
        if id(type_) not in self._types:
            self._types[id(type_)] = type_, self._rebuilt(type_)
        return self._types[id(type_)][1]

    def _rebuilt(self, type_: ArrayType | ObjectType | SetType | AnyType) -> Type:
        match type_:
            case ArrayType():
                static, dynamic = self._all(type_.static), self.seen(type_.dynamic)
                return type_ if static == type_.static and dynamic is type_.dynamic else ArrayType(static, dynamic)
            case ObjectType():
                values, others = self._all(each.value for each in type_.static), self._dynamic(type_.dynamic)
                if others is type_.dynamic and values == tuple(each.value for each in type_.static):
                    return type_
                props = zip(type_.static, values, strict=True)
                return ObjectType(tuple(each._replace(value=value) for each, value in props), others)
            case SetType():
                of = self.seen(type_.of)
                return type_ if of is type_.of else SetType(of)
        members = self._all(type_.of)
        return type_ if members == type_.of else AnyType(tuple(each for each in members if each is not None))

    def _all(self, types: Iterable[Type | None]) -> tuple[Type | None, ...]:
        return tuple(map(self.seen, types))

    def _dynamic(self, others: Dynamic | None) -> Dynamic | None:
        if others is None:
            return None
        if id(others) not in self._new:
            key, value = self.seen(others.key), self.seen(others.value)
            is_same = key is others.key and value is others.value
            self.add(others, others if is_same else Dynamic(key, value))
        return self._new[id(others)][1]


def merged(one: Type | None, other: Type | None, widened: Widened) -> Type | None:
    """What two rules of one name are together. What it widens has to be seen by all types (`Widened.seen`)."""
    if one is None or other is None:
        return other if one is None else one
    if type(one) is AnyType and type(other) is not AnyType:
        one, other = other, one
    match one, other:
        case ObjectType(static=()), ObjectType(static=()):
            return _merged_objects(one, other, widened)
        case ObjectType(static=()), AnyType() if one.dynamic is not None:
            for each in other.of:
                if type(each) is ObjectType and not each.static and each.dynamic is not None:
                    old, mine = each.dynamic, one.dynamic
                    widened.add(old, Dynamic(union(old.key, mine.key), union(old.value, mine.value)))
                    return widened.seen(other)
        case SetType(), SetType():
            return SetType(union(one.of, other.of))
    return union(one, other)


def _merged_objects(one: ObjectType, other: ObjectType, widened: Widened) -> ObjectType:
    mine, theirs = one.dynamic, other.dynamic
    if mine is None or theirs is None:
        return other if mine is None else one
    value = merged(mine.value, theirs.value, widened)
    return object_type((), Dynamic(union(mine.key, theirs.key), value))
