"""The text of types in OPA's messages, whole or with what is beside the point left out (`...`). Not the messages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from authz_rego.check.static_keys import StaticKey, printed_key
from authz_rego.check.types import (
    AnyType,
    ArrayType,
    FunctionType,
    ObjectType,
    ScalarType,
    SetType,
    Type,
)

_LEFT_OUT: Final = "..."
MAX_ELIDED = 32  # characters of a type that is not what the message is about
_MAX_DEPTH = 8


def type_text(type_: Type | None) -> str:
    """In full."""
    return _shown(type_, -1)


def elided(type_: Type | None) -> str:
    """In full when it is short, otherwise its outermost kind only."""
    full = type_text(type_)
    return full if len(full) <= MAX_ELIDED else _shown(type_, 0)


def outermost(type_: Type | None) -> str:
    """Its outermost kind only."""
    return _shown(type_, 0)


def function_text(args: Iterable[str], result: str) -> str:
    return f"({', '.join(args)}) => {result}"


def _shown(type_: Type | None, depth: int) -> str:  # noqa: PLR0911 - one line for each kind of type
    """With what is nested deeper than `depth` left out; a negative depth leaves nothing out."""
    match type_:
        case None:
            return "???"
        case ScalarType():
            return type_.name
        case SetType():
            return "set" if type_.of is None else f"set[{_LEFT_OUT if depth == 0 else _shown(type_.of, depth - 1)}]"
        case AnyType():
            return _any([_LEFT_OUT] if depth == 0 and type_.of else [_shown(each, depth - 1) for each in type_.of])
        case ArrayType():
            dynamic = None if type_.dynamic is None else _LEFT_OUT if depth == 0 else _shown(type_.dynamic, depth - 1)
            if depth == 0 and type_.static:
                return _composite("array", [_LEFT_OUT], dynamic)
            return _composite("array", [_shown(each, depth - 1) for each in type_.static], dynamic)
        case ObjectType():
            return _object_shown(type_, depth)
    return _function_shown(type_, depth)


def _object_shown(type_: ObjectType, depth: int) -> str:
    others = type_.dynamic
    if others is None:
        dynamic = None
    elif depth == 0:
        dynamic = _LEFT_OUT
    else:
        dynamic = f"{_shown(others.key, depth - 1)}: {_shown(others.value, depth - 1)}"
    if depth == 0 and type_.static:
        return _composite("object", [_LEFT_OUT], dynamic)
    static = [_property(each.key, _shown(each.value, depth - 1)) for each in type_.static]
    return _composite("object", static, dynamic)


def _function_shown(type_: FunctionType, depth: int) -> str:
    if depth == 0:
        args = [_LEFT_OUT] if type_.args or type_.variadic is not None else []
        return function_text(args, "???" if type_.result is None else _LEFT_OUT)
    args = [_shown(each, depth - 1) for each in type_.args]
    if type_.variadic is not None:
        args.append(_shown(type_.variadic, depth - 1) + "...")
    return function_text(args, _shown(type_.result, depth - 1))


def _composite(kind: str, static: Sequence[str], dynamic: str | None) -> str:
    return kind + (f"<{', '.join(static)}>" if static else "") + (f"[{dynamic}]" if dynamic else "")


def _property(key: StaticKey, value: str) -> str:
    return f"{printed_key(key)}: {value}"


def _any(types: Sequence[str]) -> str:
    return f"any<{', '.join(types)}>" if types else "any"


# ── two types, as far as they differ ──

Pair = tuple[str, str]


def differing(one: Type | None, other: Type | None, depth: int = 0) -> Pair:
    """Both, without what is equal in them."""
    if depth < _MAX_DEPTH and one is not None and other is not None and type_text(one) != type_text(other):
        match one, other:
            case SetType(), SetType() if one.of is not None and other.of is not None:
                left, right = differing(one.of, other.of, depth + 1)
                return f"set[{left}]", f"set[{right}]"
            case ArrayType(), ArrayType():
                return _differing_arrays(one, other, depth)
            case ObjectType(), ObjectType():
                return _differing_objects(one, other, depth)
            case AnyType(), AnyType():
                return _differing_unions(one, other)
            case FunctionType(), FunctionType() if one.arity == other.arity:
                return _differing_functions(one, other, depth)
    return elided(one), elided(other)


def _differing_arrays(one: ArrayType, other: ArrayType, depth: int) -> Pair:
    if len(one.static) != len(other.static) or (one.dynamic is None) != (other.dynamic is None):
        return _shown(one, 1), _shown(other, 1)
    pairs = [differing(mine, theirs, depth + 1) for mine, theirs in zip(one.static, other.static, strict=True)]
    left, right = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    if one.dynamic is None:
        return _composite("array", left, None), _composite("array", right, None)
    dynamic = differing(one.dynamic, other.dynamic, depth + 1)
    return _composite("array", left, dynamic[0]), _composite("array", right, dynamic[1])


def _differing_objects(one: ObjectType, other: ObjectType, depth: int) -> Pair:
    left: list[str] = []
    right: list[str] = []
    mine, theirs = list(reversed(one.static)), list(reversed(other.static))
    left_out = False
    while mine or theirs:
        if not theirs or (mine and mine[-1].order < theirs[-1].order):
            each = mine.pop()
            left.append(_property(each.key, elided(each.value)))
        elif not mine or mine[-1].order > theirs[-1].order:
            each = theirs.pop()
            right.append(_property(each.key, elided(each.value)))
        else:
            each, its = mine.pop(), theirs.pop()
            if type_text(each.value) == type_text(its.value):
                left_out = True
                continue
            pair = differing(each.value, its.value, depth + 1)
            left.append(_property(each.key, pair[0]))
            right.append(_property(its.key, pair[1]))
    if left_out:
        left.append(_LEFT_OUT)
        right.append(_LEFT_OUT)
    dynamic = _differing_dynamics(one, other, depth)
    return _composite("object", left, dynamic[0]), _composite("object", right, dynamic[1])


def _differing_dynamics(one: ObjectType, other: ObjectType, depth: int) -> Pair:
    mine, theirs = one.dynamic, other.dynamic
    if mine is not None and theirs is not None:
        keys = differing(mine.key, theirs.key, depth + 1)
        values = differing(mine.value, theirs.value, depth + 1)
        return f"{keys[0]}: {values[0]}", f"{keys[1]}: {values[1]}"
    left = "" if mine is None else f"{elided(mine.key)}: {elided(mine.value)}"
    right = "" if theirs is None else f"{elided(theirs.key)}: {elided(theirs.value)}"
    return left, right


def _differing_unions(one: AnyType, other: AnyType) -> Pair:
    mine, theirs = {type_text(each) for each in one.of}, {type_text(each) for each in other.of}
    left = [elided(each) for each in one.of if type_text(each) not in theirs]
    right = [elided(each) for each in other.of if type_text(each) not in mine]
    common = [_LEFT_OUT] if mine & theirs else []
    return _any([*left, *common]), _any([*right, *common])


def _differing_functions(one: FunctionType, other: FunctionType, depth: int) -> Pair:
    pairs = [differing(mine, theirs, depth + 1) for mine, theirs in zip(one.args, other.args, strict=True)]
    left, right = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    if one.variadic is not None and other.variadic is not None:
        pair = differing(one.variadic, other.variadic, depth + 1)
        left.append(pair[0] + "...")
        right.append(pair[1] + "...")
    elif one.variadic is not None:
        left.append(elided(one.variadic) + "...")
    elif other.variadic is not None:
        right.append(elided(other.variadic) + "...")
    result = differing(one.result, other.result, depth + 1)
    return function_text(left, result[0]), function_text(right, result[1])
