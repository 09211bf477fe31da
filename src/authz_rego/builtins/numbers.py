"""OPA's builtins that compute with numbers. Not how it is done to the last digit (`values.arithmetic`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from authz_rego.builtins.bounds import beyond_bounds
from authz_rego.builtins.operands import number_operand, wrong_operand
from authz_rego.errors import BuiltinError
from authz_rego.values import arithmetic
from authz_rego.values.number import Number, whole_of
from authz_rego.values.value import Value, equal

_MOST_NUMBERS: Final = 1_000_000  # ours: OPA makes ranges until it is stopped
_SMALL: Final = 2**62  # what stays below needs no look at how long the result is


def integer_operand(value: Value, position: int) -> int:
    """The operand, which must be a number without a fraction; of any size, and `1e3` and `2.0` are such numbers."""
    if type(value) is int:
        return value
    if type(value) is not Number:
        raise wrong_operand(value, position, "integer")
    found = whole_of(value)
    if found is None:
        raise BuiltinError(f"operand {position} must be integer number but got floating-point number")
    return found


def _plus(one: Value, other: Value) -> Value:
    if type(one) is int and type(other) is int:
        total = one + other
        return total if -_SMALL < total < _SMALL else arithmetic.bounded(total)
    return arithmetic.add(number_operand(one, 1), number_operand(other, 2))


def _minus(one: Value, other: Value) -> Value:
    if type(one) is int and type(other) is int:
        difference = one - other
        return difference if -_SMALL < difference < _SMALL else arithmetic.bounded(difference)
    if type(one) is frozenset and type(other) is frozenset:
        rest = one - other
        # Sets can be equal that have no member in common: {1e400} and {10e399}.
        return frozenset() if len(one) == len(other) and rest and equal(one, other) else rest
    if type(one) is frozenset:
        raise wrong_operand(other, 2, "set" if _is_number(other) else "number")
    if not _is_number(one):
        raise wrong_operand(one, 1, "number", "set")
    if not _is_number(other):
        raise wrong_operand(other, 2, "number")
    return arithmetic.subtract(one, other)


def _mul(one: Value, other: Value) -> Value:
    if type(one) is int and type(other) is int:
        product = one * other
        return product if -_SMALL < product < _SMALL else arithmetic.bounded(product)
    return arithmetic.multiply(number_operand(one, 1), number_operand(other, 2))


def _div(one: Value, other: Value) -> Value:
    if type(one) is int and type(other) is int:
        return arithmetic.divide(one, other)
    return arithmetic.divide(number_operand(one, 1), number_operand(other, 2))


def _rem(one: Value, other: Value) -> Value:
    if type(one) is int and type(other) is int and one >= 0 and other > 0:
        return one % other
    return arithmetic.remainder(number_operand(one, 1), number_operand(other, 2))


def _range(first: Value, last: Value) -> Value:
    return _numbers("numbers.range", integer_operand(first, 1), integer_operand(last, 2), 1)


def _range_step(first: Value, last: Value, step: Value) -> Value:
    start, stop, width = integer_operand(first, 1), integer_operand(last, 2), integer_operand(step, 3)
    if width <= 0:
        raise BuiltinError("numbers.range_step: step must be a positive integer")
    return _numbers("numbers.range_step", start, stop, width)


def _numbers(name: str, first: int, last: int, step: int) -> Value:
    """Both ends are in, and it goes down when the last is the lower."""
    if abs(last - first) // step >= _MOST_NUMBERS:
        raise beyond_bounds(name, f"more than {_MOST_NUMBERS} numbers")
    return list(range(first, last + 1, step) if first <= last else range(first, last - 1, -step))


def _is_number(value: Value) -> bool:
    return type(value) is int or type(value) is Number


FUNCTIONS: Final[dict[str, Callable[..., Value]]] = {
    "plus": _plus,
    "minus": _minus,
    "mul": _mul,
    "div": _div,
    "rem": _rem,
    "abs": lambda number: arithmetic.absolute(number_operand(number, 1)),
    "round": lambda number: arithmetic.rounded(number_operand(number, 1)),
    "ceil": lambda number: arithmetic.ceiling(number_operand(number, 1)),
    "floor": lambda number: arithmetic.floor(number_operand(number, 1)),
    "numbers.range": _range,
    "numbers.range_step": _range_step,
}
