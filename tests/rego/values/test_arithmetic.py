"""Arithmetic to the last digit; what OPA answers is in tests/rego/builtins/answers/numbers.jsonl."""

import pytest

from authz_rego.errors import BuiltinError, EvaluationError
from authz_rego.values.arithmetic import (
    absolute,
    add,
    bounded,
    ceiling,
    divide,
    floor,
    multiply,
    remainder,
    rounded,
    subtract,
    total,
    total_product,
)
from authz_rego.values.number import Number, compare_numbers, number_text


def test_a_tenth_and_two_tenths_are_three_tenths() -> None:
    """Not 0.30000000000000004; but a product is computed at 53 bits."""
    assert number_text(add(Number("0.1"), Number("0.2"))) == "0.3"
    assert number_text(multiply(Number("0.1"), 3)) == "0.3"
    assert number_text(total_product([Number("0.1"), 3])) == "0.30000000000000004"
    assert number_text(subtract(Number("0.3"), Number("0.1"))) == "0.20000000000000000002"


def test_integers_are_exact_and_quotients_have_64_bits() -> None:
    """Of 10**20 / 3 the last digit is a guess."""
    assert add(10**30, 1) == 10**30 + 1
    assert divide(10**20, 3) == 33333333333333333334
    assert absolute(-(2**70) - 1) == 1180591620717411303400


def test_a_quotient_is_written_when_it_is_asked_for() -> None:
    """Until then it is compared as what it is; both say the same."""
    for dividend, divisor in ((1, 3), (-7, 2), (2**62 + 1, 2), (5, -3)):
        quotient, written = divide(dividend, divisor), Number(number_text(divide(dividend, divisor)))
        for near in (-4, -3, -1, 0, 1, 3, 2**61, 2**61 + 1):
            assert compare_numbers(quotient, near) == compare_numbers(written, near)
    assert divide(1, 3) == Number("0.33333333333333333334")


def test_zero_has_a_sign_when_it_is_written() -> None:
    """And is equal all the same."""
    assert number_text(divide(0, -5)) == "-0"
    assert number_text(divide(0, 5)) == "0"
    assert divide(0, -5) == 0


def test_rounding_has_opa_s_own_ideas_below_one() -> None:
    """The ceiling of -0.5 is 1, its floor is 0."""
    half = Number("-0.5")

    assert (ceiling(half), floor(half), rounded(half)) == (1, 0, -1)
    assert (ceiling(Number("-1.5")), floor(Number("-1.5")), rounded(Number("-1.5"))) == (-1, -2, -2)


def test_a_remainder_has_the_sign_of_the_first() -> None:
    """Python's has that of the second."""
    assert (remainder(-7, 3), remainder(7, -3), remainder(Number("7.0"), 3)) == (-1, 1, 1)
    with pytest.raises(BuiltinError, match="floating-point"):
        remainder(Number("7.5"), 3)


@pytest.mark.parametrize("zero", [0, Number("0.0"), Number("0e5"), Number("-0"), Number("1e-999999999")])
def test_nothing_is_divided_by_any_zero(zero: int | Number) -> None:
    """A tiny number is none."""
    assert divide(1, Number("1e-400")) == 10**400
    with pytest.raises(BuiltinError, match="divide by zero"):
        divide(1, zero)


def test_a_sum_is_exact_while_there_are_no_fractions() -> None:
    """1e30 is an integer, too."""
    assert total([Number("1e30"), 1, Number("1.0")]) == 10**30 + 2
    assert number_text(total([Number("0.1")] * 3)) == "0.3"
    assert total([]) == 0


def test_results_are_bounded() -> None:
    """300,000 bits, and not one more."""
    assert bounded(2**300_000 - 1)
    with pytest.raises(EvaluationError):
        bounded(2**300_000)
    with pytest.raises(EvaluationError):
        multiply(Number("3.5"), 2**299_999)
