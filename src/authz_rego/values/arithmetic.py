"""What OPA does with numbers, to the last digit. Not the builtins' checks of their operands (`builtins.numbers`).

Integers are computed exactly. Everything else goes through binary floating-point numbers of 64 bits.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from authz_rego.errors import BuiltinError, EvaluationError
from authz_rego.values.big_integers import MAX_BITS, integer_of
from authz_rego.values.binary_float import (
    BinaryFloat,
    added,
    float_of,
    float_of_integer,
    float_text,
    nearest_float,
    negated,
    product,
    quotient,
    truncated,
)
from authz_rego.values.number import Number, int64_of, whole_of

_INT64: Final = 2**63
_SMALL: Final = range(-(2**31), 2**31)
_HALF: Final = BinaryFloat(negative=False, mantissa=1, exponent=-1)
_ONE: Final = BinaryFloat(negative=False, mantissa=1, exponent=0)
_FLOAT64_PRECISION: Final = 53


def add(one: int | Number, other: int | Number) -> int | Number:
    whole, other_whole = whole_of(one), whole_of(other)
    if whole is not None and other_whole is not None:
        return bounded(whole + other_whole)
    return _written(added(_float(one), _float(other)))


def subtract(one: int | Number, other: int | Number) -> int | Number:
    whole, other_whole = whole_of(one), whole_of(other)
    if whole is not None and other_whole is not None:
        return bounded(whole - other_whole)
    return _written(added(_float(one), negated(_float(other))))


def multiply(one: int | Number, other: int | Number) -> int | Number:
    whole, other_whole = whole_of(one), whole_of(other)
    if whole is not None and other_whole is not None:
        return bounded(whole * other_whole)
    return _written(product(_float(one), _float(other)))


def divide(one: int | Number, other: int | Number) -> int | Number:
    # Not of zero: OPA's 0/-5 is written -0.
    if type(one) is int and type(other) is int and one and -_INT64 < one < _INT64 and 0 < other < _INT64:
        # Seldom does anybody want the digits: a quotient is compared, and that takes a multiplication.
        return Number("", (one, other)) if one % other else one // other
    small, other_small = int64_of(one), int64_of(other)
    if other_small == 0:
        raise BuiltinError("divide by zero")
    if small and other_small and small in _SMALL and other_small in _SMALL and small % other_small == 0:
        return small // other_small
    divisor = _float(other)
    if not divisor.mantissa:
        raise BuiltinError("divide by zero")
    return _written(quotient(_float(one), divisor))


def remainder(one: int | Number, other: int | Number) -> int:
    """Has the sign of the first, as Go's remainder; Python's has that of the second."""
    whole, divisor = whole_of(one), whole_of(other)
    if whole is None or divisor is None:
        raise BuiltinError("modulo on floating-point number")
    if divisor == 0:
        raise BuiltinError("modulo by zero")
    rest = abs(whole) % abs(divisor)
    return -rest if whole < 0 else rest


def absolute(one: int | Number) -> int | Number:
    small = _small(one)
    return abs(small) if small is not None else _written(_float(one)._replace(negative=False))


def rounded(one: int | Number) -> int | Number:
    """Half away from zero."""
    small = _small(one)
    if small is not None:
        return small
    number = _float(one)
    return truncated(added(number, negated(_HALF) if number.negative else _HALF))


def ceiling(one: int | Number) -> int | Number:
    return _whole(one, _ONE)


def floor(one: int | Number) -> int | Number:
    return _whole(one, negated(_ONE))


def _whole(one: int | Number, step: BinaryFloat) -> int | Number:
    """Without its fraction, and a step on where that was cut off on the other side."""
    small = _small(one)
    if small is not None:
        return small
    number = _float(one)
    whole = truncated(number)
    if number.is_whole or (whole < 0) != step.negative:
        return whole
    return _written(added(float_of_integer(whole), step))


def total(numbers: Iterable[int | Number]) -> int | Number:
    """The sum, in the order given: with fractions the order matters."""
    given = list(numbers)
    wholes = given if set(map(type, given)) == {int} else [*map(whole_of, given)]
    if None not in wholes:
        return bounded(sum(wholes))  # type: ignore[arg-type]
    found = BinaryFloat(negative=False, mantissa=0, exponent=0)
    for number in given:
        found = added(found, _float(number))
    return _written(found)


def total_product(numbers: Iterable[int | Number]) -> int | Number:
    """The product; with fractions OPA computes it at 53 bits, unlike everything else."""
    given = list(numbers)
    wholes = [*map(whole_of, given)]
    if None in wholes:
        factors = BinaryFloat(negative=False, mantissa=1, exponent=0, precision=_FLOAT64_PRECISION)
        for number in given:
            factors = product(factors, _float(number), _FLOAT64_PRECISION)
        return _written(factors)
    found = 1
    for whole in wholes:
        found = bounded(found * whole)  # type: ignore[operator]
    return found


def bounded(integer: int) -> int:
    """The integer, or an EvaluationError where it is longer than any that we let a policy compute."""
    if integer.bit_length() > MAX_BITS:
        raise EvaluationError("eval_builtin_error", f"an integer of more than {MAX_BITS} bits")
    return integer


def _small(number: int | Number) -> int | None:
    found = int64_of(number)
    return found if found is not None and found in _SMALL else None


def _float(number: int | Number) -> BinaryFloat:
    return nearest_float(number) if type(number) is int else float_of(number.text)  # type: ignore[union-attr]


def _written(number: BinaryFloat) -> int | Number:
    try:
        text = float_text(number)
    except ValueError as problem:
        raise EvaluationError("eval_builtin_error", str(problem)) from problem
    return integer_of(text) if number.is_whole and text != "-0" else Number(text)
