"""What is known of characters is what Go 1.26 knows."""

import pytest

from authz_rego.values.characters import (
    LAST,
    SPACES,
    categories,
    complement,
    contains,
    is_printable,
    lower_table,
    orbits,
    scripts,
    union,
    upper_table,
)


def test_a_character_s_case_is_one_character() -> None:
    """ß has no capital in one character that Go would make; İ has a small letter."""
    assert ord("ß") not in upper_table()
    assert "ß".translate(upper_table()) == "ß"
    assert "ﬀ".translate(upper_table()) == "ﬀ"
    assert "İ".translate(lower_table()) == "i"
    assert "ΣΣ".translate(lower_table()) == "\u03c3\u03c3"
    assert "ǆ".translate(upper_table()) == "Ǆ"


def test_equal_but_for_case_can_be_more_than_two() -> None:
    """K, k and the Kelvin sign; a digit stands alone."""
    assert set(orbits()[ord("k")]) == {ord("K"), ord("k"), 0x212A}
    assert ord("1") not in orbits()


@pytest.mark.parametrize(
    ("code", "printable"),
    [
        (32, True),
        (0xA0, False),
        (0xAD, False),
        (0x1F600, True),
        (0x7F, False),
        (0x80, False),
        (0x378, False),
        (0, False),
    ],
)
def test_printable_is_what_go_prints(code: int, printable: bool) -> None:
    """Letters, marks, numbers, punctuation, symbols and one space."""
    assert is_printable(code) is printable


def test_categories_are_made_of_their_parts() -> None:
    """L is all of Ll, Lm, Lo, Lt and Lu."""
    assert contains(categories()["L"], ord("ǅ"))
    assert not contains(categories()["LC"], ord("日"))
    assert contains(categories()["C"], 0x378)
    assert contains(scripts()["Greek"], ord("Σ"))


def test_runs_are_joined_and_turned_round() -> None:
    """Where they overlap or touch."""
    assert union((5, 6), (1, 2, 7, 9), (3, 3)) == (1, 3, 5, 9)
    assert complement((0, 4, 9, 9)) == (5, 8, 10, LAST)
    assert complement(()) == (0, LAST)
    assert complement((0, LAST)) == ()


def test_spaces_are_not_python_s() -> None:
    """U+001C is none in Go."""
    assert "\x1c" not in SPACES
    assert "\u3000" in SPACES
