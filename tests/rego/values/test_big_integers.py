"""Integers that Python refuses to read and to write."""

import pytest

from authz_rego.values.big_integers import integer_of, text_of


@pytest.mark.parametrize("digits", [1, 3_999, 4_000, 4_001, 4_300, 4_301, 8_001, 20_000])
def test_every_integer_is_its_text(digits: int) -> None:
    """On both sides of where it is put together."""
    for integer in (10**digits, -(10**digits), 10**digits - 1, 1 - 10**digits, 7 * 10 ** (digits // 2)):
        assert integer_of(text_of(integer)) == integer
        assert text_of(integer).lstrip("-")[0] in "179"
        assert len(text_of(abs(10**digits))) == digits + 1


@pytest.mark.parametrize("text", ["+" + "9" * 5_000, "0" * 5_000 + "7", "-" + "0" * 5_000])
def test_signs_and_zeros_may_stand_before_it(text: str) -> None:
    """As `to_number` takes them."""
    assert text_of(integer_of(text)) == (text.lstrip("+-0") or "0")
