"""The types of what is inside of a value: its keys, its values, what is at a key. And of constants and declarations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

from authz_rego.builtins.declarations import Declaration, declarations
from authz_rego.check.static_keys import StaticKey, key_order
from authz_rego.check.types import (
    ANY,
    BOOLEAN,
    NULL,
    NUMBER,
    STRING,
    AnyType,
    ArrayType,
    Dynamic,
    FunctionType,
    ObjectType,
    Property,
    SetType,
    Type,
    any_of,
    includes,
    object_type,
    same,
    union_of,
)
from authz_rego.values.number import Number

_SCALARS: Final = {each.name: each for each in (NULL, BOOLEAN, NUMBER, STRING)}
_INT64: Final = range(-(2**63), 2**63)


def select(type_: Type | None, key: StaticKey) -> Type | None:  # noqa: PLR0911 - one line for each kind of type
    """The type of what is at the key; None when there can be nothing."""
    match type_:
        case ArrayType():
            position = _position(key)
            return None if position is None else type_.select(position)
        case ObjectType():
            return _member(type_, key)
        case SetType():
            wanted = type_of_key(key)
            if same(type_.of, wanted):
                return type_.of
            return wanted if type(type_.of) is AnyType and includes(type_.of, wanted) else None
        case AnyType():
            if not type_.of:
                return ANY
            return union_of(select(each, key) for each in type_.of)
    return None


def _position(key: StaticKey) -> int | None:
    """OPA reads an index from the number's text: `1.0` is none."""
    if type(key) is int and key in _INT64:
        return key
    return 0 if type(key) is Number and key.text == "-0" else None


def _member(type_: ObjectType, key: StaticKey) -> Type | None:
    if type_.by_key is None:
        type_.by_key = {each.order: each.value for each in reversed(type_.static)}
    order = key_order(key)
    if order in type_.by_key:
        return type_.by_key[order]
    dynamic = type_.dynamic
    return dynamic.value if dynamic is not None and includes(dynamic.key, type_of_key(key)) else None


def keys_of(type_: Type | None) -> Type | None:
    """The type of the keys that can be gone through; None when there can be none."""
    match type_:
        case ArrayType():
            return NUMBER
        case SetType():
            return type_.of
        case AnyType() if not type_.of:
            return ANY
        case ObjectType() | AnyType():
            if type_.keys is None:
                type_.keys = union_of(_keys(type_))
            return type_.keys
    return None


def _keys(type_: ObjectType | AnyType) -> Iterator[Type | None]:
    if isinstance(type_, AnyType):
        yield from map(keys_of, type_.of)
        return
    yield from (type_of_key(each.key) for each in type_.static)
    if type_.dynamic is not None:
        yield type_.dynamic.key


def values_of(type_: Type | None) -> Type | None:
    """The type of the values that can be gone through; None when there can be none."""
    match type_:
        case SetType():
            return type_.of
        case AnyType() if not type_.of:
            return ANY
        case ArrayType() | ObjectType() | AnyType():
            if type_.values is None:
                type_.values = union_of(_values(type_))
            return type_.values
    return None


def _values(type_: ArrayType | ObjectType | AnyType) -> Iterator[Type | None]:
    match type_:
        case ArrayType():
            yield from (*type_.static, type_.dynamic)
        case ObjectType():
            yield from (each.value for each in type_.static)
            if type_.dynamic is not None:
                yield type_.dynamic.value
        case AnyType():
            yield from map(values_of, type_.of)


def type_of_key(key: StaticKey) -> Type:
    """The type of a constant."""
    if type(key) is str:
        return STRING
    if key is None:
        return NULL
    if type(key) is bool:
        return BOOLEAN
    if type(key) is list:
        return ArrayType(tuple(map(type_of_key, key)))
    if type(key) is dict:
        return object_type(Property(name, key_order(name), type_of_key(value)) for name, value in key.items())
    return NUMBER


# ── declarations ──


@cache
def builtin_types() -> Mapping[str, FunctionType]:
    """The types of OPA's builtins, by name."""
    return {name: _function(each) for name, each in declarations().items()}


def _function(declared: Declaration) -> FunctionType:
    args = tuple(map(declared_type, declared.args))
    result = None if declared.result is None else declared_type(declared.result)
    variadic = None if declared.variadic is None else declared_type(declared.variadic)
    named = declared.args if declared.result is None else (*declared.args, declared.result)
    return FunctionType(args, result, variadic, tuple(each.get("name", "") for each in named))


def declared_type(declared: Mapping[str, Any]) -> Type:
    """A type as OPA writes it in JSON."""
    kind = declared["type"]
    if kind in _SCALARS:
        return _SCALARS[kind]
    if kind == "array":
        dynamic = declared.get("dynamic")
        static = tuple(map(declared_type, declared.get("static", ())))
        return ArrayType(static, None if dynamic is None else declared_type(dynamic))
    if kind == "set":
        return SetType(declared_type(declared["of"]) if "of" in declared else None)
    if kind == "any":
        return any_of(map(declared_type, declared["of"])) if declared.get("of") else ANY
    others = declared.get("dynamic")
    return object_type(
        (
            Property(each["key"], key_order(each["key"]), declared_type(each["value"]))
            for each in declared.get("static", ())
        ),
        None if others is None else Dynamic(declared_type(others["key"]), declared_type(others["value"])),
    )
