"""The types that OPA tells apart: scalars, arrays, sets, objects, unions, functions. Not their text (`type_text`).

A type that is not known is `None`. Types compare by `type_order`, never by `==`, and are never changed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeAlias

from authz_rego.check.static_keys import KeyOrder, StaticKey

TypeOrder: TypeAlias = tuple[Any, ...]


@dataclass(slots=True, eq=False)
class ScalarType:
    """null, boolean, number or string."""

    name: str
    order: TypeOrder


@dataclass(slots=True, eq=False)
class ArrayType:
    """Its first items, one by one, and what all others are."""

    static: tuple[Type | None, ...] = ()
    dynamic: Type | None = None
    unknown: bool = field(init=False)
    size: int = field(init=False)
    order: TypeOrder | None = field(default=None, init=False)
    values: Type | None = field(default=None, init=False)  # kept by `values_of`

    def __post_init__(self) -> None:
        self.unknown = any(map(is_unknown, self.static)) or (self.dynamic is not None and is_unknown(self.dynamic))
        self.size = 1 + sum(map(size_of, self.static)) + size_of(self.dynamic)

    def select(self, position: int) -> Type | None:
        """The type of the item there."""
        if position < 0:
            return None
        return self.static[position] if position < len(self.static) else self.dynamic


@dataclass(slots=True, eq=False)
class SetType:
    """Of members of one type; of None: the empty set."""

    of: Type | None
    size: int = field(init=False)
    order: TypeOrder | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.size = 1 + size_of(self.of)


class Property(NamedTuple):
    """A key that is known, and the type of what is there."""

    key: StaticKey
    order: KeyOrder
    value: Type | None


@dataclass(slots=True, eq=False)
class Dynamic:
    """The types of an object's other keys and of what is there. Which of them it is matters: see `type_merging`."""

    key: Type | None
    value: Type | None


@dataclass(slots=True, eq=False)
class ObjectType:
    """Its known keys in their order, and the others. Neither: the empty object. Made by `object_type`."""

    static: tuple[Property, ...] = ()
    dynamic: Dynamic | None = None
    unknown: bool = field(init=False)
    size: int = field(init=False)
    order: TypeOrder | None = field(default=None, init=False)
    by_key: dict[KeyOrder, Type | None] | None = field(default=None, init=False)  # kept by `select`
    keys: Type | None = field(default=None, init=False)  # kept by `keys_of`
    values: Type | None = field(default=None, init=False)  # kept by `values_of`

    def __post_init__(self) -> None:
        dynamic = self.dynamic
        self.unknown = any(is_unknown(each.value) for each in self.static) or (
            dynamic is not None and (is_unknown(dynamic.key) or is_unknown(dynamic.value))
        )
        self.size = 1 + sum(size_of(each.value) for each in self.static)
        if dynamic is not None:
            self.size += size_of(dynamic.key) + size_of(dynamic.value)


@dataclass(slots=True, eq=False)
class AnyType:
    """One of several types; of none: anything (`ANY`). Made by `any_of` and `union`."""

    of: tuple[Type, ...] = ()
    size: int = field(init=False)
    order: TypeOrder | None = field(default=None, init=False)
    keys: Type | None = field(default=None, init=False)
    values: Type | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.size = 1 + sum(map(size_of, self.of))


@dataclass(slots=True, eq=False)
class FunctionType:
    """Its arguments and its result; the names are a builtin's, for messages."""

    args: tuple[Type | None, ...]
    result: Type | None = None
    variadic: Type | None = None
    names: tuple[str, ...] = ()  # of the arguments and the result; empty where there is none
    order: TypeOrder | None = field(default=None, init=False)

    @property
    def arity(self) -> int:
        return len(self.args)

    def arg(self, position: int) -> Type | None:
        """What the argument has to be; the result comes after the arguments."""
        wanted = self.args if self.result is None else (*self.args, self.result)
        return wanted[position] if position < len(wanted) else self.variadic


Type: TypeAlias = ScalarType | ArrayType | SetType | ObjectType | AnyType | FunctionType

_UNKNOWN_ORDER: Final = (-1,)


def is_anything(type_: Type | None) -> bool:
    """Whether it is the union of all types."""
    return type(type_) is AnyType and not type_.of


def is_unknown(type_: Type | None) -> bool:
    """Whether it, or an item or a member of it, is not known. The empty set's members are not."""
    match type_:
        case ArrayType() | ObjectType():
            return type_.unknown
        case SetType():
            return is_unknown(type_.of)
        case FunctionType():
            return any(map(is_unknown, type_.args)) or is_unknown(type_.result)
    return type_ is None


def size_of(type_: Type | None) -> int:
    """How many types it consists of."""
    return 1 if type_ is None or isinstance(type_, ScalarType | FunctionType) else type_.size


NULL: Final = ScalarType("null", (0,))
BOOLEAN: Final = ScalarType("boolean", (1,))
NUMBER: Final = ScalarType("number", (2,))
STRING: Final = ScalarType("string", (3,))
ANY: Final = AnyType()


def object_type(static: Iterable[Property], dynamic: Dynamic | None = None) -> ObjectType:
    """Of the properties in any order."""
    return ObjectType(tuple(sorted(static, key=lambda each: each.order)), dynamic)


def any_of(types: Iterable[Type]) -> AnyType:
    """One of these, which need not be different from each other."""
    return AnyType(tuple(sorted(types, key=type_order)))


# ── order ──


def type_order(type_: Type | None) -> TypeOrder:
    """Sorts as OPA sorts types; equal types have equal ones."""
    if type_ is None:
        return _UNKNOWN_ORDER
    if type_.order is None:
        type_.order = _order(type_)
    return type_.order


def _order(type_: Type) -> TypeOrder:
    match type_:
        case ArrayType():
            return (4, type_order(type_.dynamic), tuple(map(type_order, type_.static)))
        case ObjectType():
            dynamic = type_.dynamic
            others = _UNKNOWN_ORDER if dynamic is None else (0, type_order(dynamic.key), type_order(dynamic.value))
            return (5, others, tuple((each.order, type_order(each.value)) for each in type_.static))
        case SetType():
            return (6, type_order(type_.of))
        case AnyType():
            return (7, tuple(map(type_order, type_.of)))
        case FunctionType():
            args = tuple(map(type_order, type_.args))
            return (8, len(args), args, type_order(type_.result), type_order(type_.variadic))
    return type_.order


def same(one: Type | None, other: Type | None) -> bool:
    """Whether they are equal."""
    return one is other or type_order(one) == type_order(other)


def includes(one: Type | None, other: Type | None) -> bool:
    """Whether one is the other, or a union with the other in it."""
    return _has(one, other) if type(one) is AnyType else same(one, other)


def _has(union_: AnyType, other: Type | None) -> bool:
    if type(other) is FunctionType:
        return False
    return not union_.of or _position(union_.of, other)[1]


def _position(types: Sequence[Type], wanted: Type | None) -> tuple[int, bool]:
    order = type_order(wanted)
    at = bisect_left(types, order, key=type_order)
    return at, at < len(types) and type_order(types[at]) == order


# ── union ──


def union(one: Type | None, other: Type | None) -> Type | None:
    """What is one of the two; of a function and something else: nothing known."""
    if one is None or other is None:
        return other if one is None else one
    if type(one) is FunctionType or type(other) is FunctionType:
        both = type(one) is FunctionType and type(other) is FunctionType
        return _union_of_functions(one, other) if both else None  # type: ignore[arg-type]
    if type(one) is AnyType:
        return _union_with(one, other)
    if type(other) is AnyType:
        return _union_with(other, one)
    return one if same(one, other) else any_of((one, other))


def union_of(types: Iterable[Type | None]) -> Type | None:
    """What is one of many: the union of the first two, of that and the third, and so on."""
    found: Type | None = None
    rest = iter(types)
    for each in rest:
        found = union(each, found)
        if type(found) is AnyType and found.of:
            return _union_of_rest(found, rest)
    return found


def _union_of_rest(found: AnyType, rest: Iterator[Type | None]) -> Type | None:
    """Without making a type at each step: there may be thousands."""
    members = list(found.of)
    for each in rest:
        if type(each) is AnyType or type(each) is FunctionType:
            so_far = union(each, AnyType(tuple(members)))
            return union_of((so_far, *rest))
        if each is not None:
            at, is_there = _position(members, each)
            if not is_there:
                members.insert(at, each)
    return AnyType(tuple(members)) if len(members) > len(found.of) else found


def _union_with(union_: AnyType, other: Type) -> AnyType:
    if type(other) is AnyType:
        return _union_of_unions(union_, other)
    if not union_.of:
        return union_
    at, found = _position(union_.of, other)
    return union_ if found else AnyType((*union_.of[:at], other, *union_.of[at:]))


def _union_of_unions(one: AnyType, other: AnyType) -> AnyType:
    if not one.of or not other.of:
        return other if one.of else one
    merged: list[Type] = []
    left, right = list(reversed(one.of)), list(reversed(other.of))
    while left and right:
        mine, theirs = type_order(left[-1]), type_order(right[-1])
        if mine == theirs:
            right.pop()
        merged.append(left.pop() if mine <= theirs else right.pop())
    return AnyType((*merged, *reversed(left), *reversed(right)))


def _union_of_functions(one: FunctionType, other: FunctionType) -> FunctionType | None:
    if one.arity != other.arity or (one.variadic is None) != (other.variadic is None):
        return None
    args = tuple(union(mine, theirs) for mine, theirs in zip(one.args, other.args, strict=True))
    return FunctionType(args, union(one.result, other.result), union(one.variadic, other.variadic))
