"""Binary floats; their results are in tests/rego/builtins/answers/numbers.jsonl."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as some

from authz_rego.values.binary_float import BinaryFloat, added, float_of, float_text, product, quotient, truncated


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("0.10", "0.1"),
        ("123456.5", "123456.5"),
        ("1234567.5", "1.2345675e+06"),
        ("0.0001", "0.0001"),
        ("0.00001", "1e-05"),
        ("1e30", "1000000000000000000000000000000"),
        ("-0", "-0"),
        ("0.333333333333333333333333", "0.33333333333333333334"),
    ],
)
def test_a_number_is_written_in_the_fewest_digits(text: str, written: str) -> None:
    """As Go writes it."""
    assert float_text(float_of(text)) == written


@given(some.integers(2**52 + 1, 2**53 - 1), some.integers(-1000, 900))
def test_at_53_bits_the_digits_are_those_of_python_s_floats(mantissa: int, exponent: int) -> None:
    """Which are the fewest as well; of a power of two Go may write a neighbour of these digits, and so do we."""
    number = float(mantissa) * 2.0**exponent
    ours = float_text(BinaryFloat(negative=False, mantissa=mantissa, exponent=exponent, precision=53))

    assert float(ours) == number
    assert len(Decimal(ours).normalize().as_tuple().digits) == len(Decimal(repr(number)).normalize().as_tuple().digits)


@given(some.integers(-(2**64), 2**64), some.integers(-(2**64), 2**64))
def test_sums_products_and_quotients_of_integers_are_the_nearest(one: int, other: int) -> None:
    """Exact while they fit into 64 bits."""
    mine, theirs = float_of(str(one)), float_of(str(other))

    for found, exact in ((added(mine, theirs), one + other), (product(mine, theirs), one * other)):
        assert abs(truncated(found) - exact) <= abs(exact) >> 64
    if other:
        assert (
            abs(truncated(quotient(mine, theirs)) - int(abs(one) // abs(other)) * (1 if one * other >= 0 else -1)) <= 1
        )


def test_what_is_beyond_all_exponents_is_infinite_or_zero() -> None:
    """As in Go; and it cannot be written."""
    assert float_of("1e999999999").is_infinite
    assert float_text(float_of("1e-999999999")) == "0"
    for text in ("1e999999999", "1e200000"):
        with pytest.raises(ValueError, match="too big an exponent"):
            float_text(float_of(text))
