"""OPA's comparisons as functions of two values. Not unification, which binds variables (the compiler)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from authz_rego.values.value import Value, compare, equal


def _not_equal(one: Value, other: Value) -> bool:
    return not equal(one, other)


def _less(one: Value, other: Value) -> bool:
    if type(one) is int and type(other) is int:
        return one < other
    return compare(one, other) < 0


def _less_or_equal(one: Value, other: Value) -> bool:
    if type(one) is int and type(other) is int:
        return one <= other
    return compare(one, other) <= 0


def _greater(one: Value, other: Value) -> bool:
    return _less(other, one)


def _greater_or_equal(one: Value, other: Value) -> bool:
    return _less_or_equal(other, one)


FUNCTIONS: Final[dict[str, Callable[..., Value]]] = {
    "eq": equal,
    "equal": equal,
    "neq": _not_equal,
    "lt": _less,
    "lte": _less_or_equal,
    "gt": _greater,
    "gte": _greater_or_equal,
}
