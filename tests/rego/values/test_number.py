"""Numbers: which there are, and when they are equal. Every expected value is OPA's."""

import pytest

from authz_rego.values.big_integers import BeyondBoundsError
from authz_rego.values.number import (
    Number,
    compare_numbers,
    float64,
    int64_of,
    int64_of_text,
    number_of,
    number_of_literal,
    number_text,
    whole_of,
)
from authz_rego.values.value import Key, key_of


@pytest.mark.parametrize(
    "text",
    ["1e30102", "1e-30103", "0.1e-30102", "1e25000", "1e-999999999", "0e999999999", "1e1", "1E+05", "1.5e-7", ".5"],
)
def test_a_number_keeps_its_text(text: str) -> None:
    """Also one that is zero only because floats end somewhere."""
    assert number_text(number_of(text)) == text


@pytest.mark.parametrize(
    "text",
    ["1e30103", "-1e30103", "1e1000000", "1e999999999", "1e-600000000", "1e10000000000", "0e99999999999999999999"],
)
def test_a_number_with_too_big_an_exponent_is_none(text: str) -> None:
    """OPA refuses these, too."""
    with pytest.raises(ValueError, match="exponent"):
        number_of(text)


@pytest.mark.parametrize(
    "text", ["", "-", "+1", "01", "1.", "1e", "0x1", "1_0", " 1", "1 ", "1\n", "\u0661", "inf", "NaN"]
)
def test_what_json_does_not_write_is_no_number(text: str) -> None:
    """Python's int() and float() read most of these."""
    with pytest.raises(ValueError, match="not a number"):
        number_of(text)


def test_integers_are_python_s_and_nothing_else_is() -> None:
    """-0 is not 0 when it is written."""
    assert type(number_of("0")) is int
    assert number_of("-" + "9" * 30) == -(10**30 - 1)
    assert [repr(number_of(text)) for text in ("-0", "1.0", "1e0")] == [
        "Number('-0')",
        "Number('1.0')",
        "Number('1e0')",
    ]


def test_integers_may_have_more_digits_than_python_reads_at_once() -> None:
    """Up to 100,000 characters, which is our bound."""
    assert number_text(number_of("7" * 100_000)) == "7" * 100_000
    with pytest.raises(BeyondBoundsError):
        number_of("7" * 100_001)


def test_a_literal_of_a_policy_is_bounded_even_without_an_exponent() -> None:
    """OPA refuses it in a policy, and takes it in a document."""
    assert number_of_literal("1" + "0" * 30_102) == number_of("1e30102")
    assert number_of("1" + "0" * 30_103) == 10**30_103
    with pytest.raises(ValueError, match="exponent"):
        number_of_literal("1" + "0" * 30_103)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1", "1.0"),
        ("1", "1e0"),
        ("10e-1", "1.0"),
        ("0", "-0"),
        ("0", "0e5"),
        ("0", "1e-999999999"),
        ("9007199254740993", "9007199254740993.0"),
        ("9007199254740993.0e0", "9007199254740992.10"),  # as float64: both texts end in zeros
        ("1e400", "10e399"),
    ],
)
def test_numbers_are_equal_by_their_value(one: str, other: str) -> None:
    """As OPA sees it."""
    assert number_of(one) == number_of(other)
    assert compare_numbers(number_of(one), number_of(other)) == 0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("9007199254740992", "9007199254740993"),
        ("0.1", "0.1000000000000000055511151231257827"),
        ("0.12345678901234567", "0.12345678901234568"),
        ("1e-400", "0"),
        ("1e400", "1e401"),
    ],
)
def test_numbers_are_not_compared_as_floats(one: str, other: str) -> None:
    """To a float64 these are the same."""
    assert number_of(one) != number_of(other)


@pytest.mark.parametrize(
    ("one", "other"), [("1", "1.0"), ("10e-1", "1e0"), ("9007199254740993", "9007199254740993.00")]
)
def test_equal_numbers_are_one_member_of_a_set(one: str, other: str) -> None:
    """{1, 1.0, 1e0} has one member."""
    assert len({key_of(number_of(one)), key_of(number_of(other))}) == 1


def test_numbers_beyond_float64_are_known_by_their_text() -> None:
    """Equal, and yet two members: OPA hashes their text."""
    assert len({Key(Number("1e400")), Key(Number("10e399"))}) == 2
    assert len({Key(Number("1e400")), Key(Number("1e400"))}) == 1


@pytest.mark.parametrize(
    ("text", "integer"), [("10.00", 10), ("-3.0", -3), ("007", 7), ("+5", 5), (".0", 0), ("-0", 0)]
)
def test_an_index_may_have_a_fraction_of_zeros(text: str, integer: int) -> None:
    """As OPA reads it."""
    assert int64_of(Number(text)) == integer
    assert int64_of_text(text) == integer


@pytest.mark.parametrize(
    "text", ["1e0", "1.5", "9223372036854775808", "1.000000000000000000", "0x1p0", "1_0", "", "+", "--1"]
)
def test_an_index_has_no_exponent_and_64_bits(text: str) -> None:
    """1e0 is equal to 1, but no index."""
    assert int64_of_text(text) is None


@pytest.mark.parametrize(("text", "whole"), [("1e3", 1000), ("1.50e1", 15), ("0x1p4", 16), ("0e5", 0)])
def test_a_whole_number_may_be_written_in_any_way(text: str, whole: int) -> None:
    """Other than an index."""
    assert whole_of(Number(text)) == whole
    assert whole_of(Number("1.5")) is None
    assert whole_of(Number("1e-999999999")) is None


def test_the_nearest_float_may_be_infinite() -> None:
    """Then there is none."""
    assert float64(Number("1e308")) == 1e308
    assert float64(Number("-1e309")) == float("-inf")
    assert float64(-(10**400)) == float("-inf")


def test_comparing_with_a_vast_number_does_not_write_it_out() -> None:
    """A million comparisons of their digits would take minutes."""
    vast = Number("1e30000")

    assert not any(vast == each for each in range(10_000))
    assert vast == 10**30_000
