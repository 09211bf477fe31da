"""OPA's `array.*`. Not sorting (`aggregates`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from authz_rego.builtins.operands import int64_operand, wrong_operand
from authz_rego.values.value import Value


def _concat(one: Value, other: Value) -> Value:
    return [*_array(one, 1), *_array(other, 2)]


def _flatten(array: Value) -> Value:
    """One level only."""
    return [each for member in _array(array, 1) for each in (member if type(member) is list else (member,))]


def _reverse(array: Value) -> Value:
    return _array(array, 1)[::-1]


def _slice(array: Value, start: Value, stop: Value) -> Value:
    """Python's slices count negative positions from the end; here they are zero."""
    given = _array(array, 1)
    first, last = max(int64_operand(start, 2), 0), max(int64_operand(stop, 3), 0)
    return given[first:last]


def _array(value: Value, position: int) -> list[Value]:
    if type(value) is not list:
        raise wrong_operand(value, position, "array")
    return value


FUNCTIONS: Final[dict[str, Callable[..., Value]]] = {
    "array.concat": _concat,
    "array.flatten": _flatten,
    "array.reverse": _reverse,
    "array.slice": _slice,
}
