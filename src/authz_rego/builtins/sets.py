"""OPA's set algebra: `&`, `|`, `intersection`, `union`. Not `-`, which is also for numbers (`numbers`)."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from itertools import chain
from typing import Final

from authz_rego.builtins.operands import wrong_operand
from authz_rego.values.value import Key, Value, sorted_keys, value_of

Members = frozenset[str | Key]


def _intersection(sets: Value) -> Value:
    return reduce(_common, _sets(sets)) if sets else _set(sets, 1)


def _union(sets: Value) -> Value:
    return frozenset(dict.fromkeys(chain.from_iterable(map(sorted_keys, _sets(sets)))))


def _common(one: Members, other: Members) -> Members:
    """Of equal numbers that are written differently those of the smaller set are taken, as in OPA."""
    smaller, larger = (other, one) if len(other) < len(one) else (one, other)
    return frozenset(key for key in smaller if key in larger)


def _set(value: Value, position: int) -> Members:
    if type(value) is not frozenset:
        raise wrong_operand(value, position, "set")
    return value


def _sets(sets: Value) -> list[Members]:
    return [_set(value_of(key), 1) for key in sorted_keys(_set(sets, 1))]


FUNCTIONS: Final[dict[str, Callable[..., Value]]] = {
    "and": lambda one, other: _common(_set(one, 1), _set(other, 2)),
    "or": lambda one, other: _set(one, 1) | _set(other, 2),
    "intersection": _intersection,
    "union": _union,
}
