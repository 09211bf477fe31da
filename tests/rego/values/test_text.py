"""The text of values, as OPA's messages have it."""

import sys

import pytest

from authz_rego.values.number import Number
from authz_rego.values.text import int_text, number_text, quote, term_text
from authz_rego.values.value import Value, key_of


def a_set(*members: Value) -> frozenset[object]:
    return frozenset(map(key_of, members))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (1, "1"),
        (Number("1.50"), "1.50"),
        (Number("-0"), "-0"),
        ("a", '"a"'),
        ([], "[]"),
        ([1, [True]], "[1, [true]]"),
        ({}, "{}"),
        ({"b": 1, "a": 2, key_of(3): [], key_of(None): "x"}, '{null: "x", 3: [], "a": 2, "b": 1}'),
        (a_set(), "set()"),
        (a_set("b", "a", 2, Number("1.5"), [a_set()]), '{1.5, 2, "a", "b", [set()]}'),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_a_value_is_printed_as_opa_prints_it(value: Value, text: str) -> None:
    """Members in Rego's order."""
    assert term_text(value) == text


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("", '""'),
        ("a\"b\\c'", '"a\\"b\\\\c\'"'),
        ("\a\b\f\n\r\t\v\x00\x1f\x7f", r'"\a\b\f\n\r\t\v\x00\x1f\x7f"'),
        ("é日😀", '"é日😀"'),
        ("\u00ad\u200b\u2028\ue000", r'"\u00ad\u200b\u2028\ue000"'),
        ("\U000e0001\U0010ffff", r'"\U000e0001\U0010ffff"'),
        ("\u0378", r'"\u0378"'),  # not assigned in Unicode 15.0
        ("\ufffd", '"\ufffd"'),
    ],
    ids=ascii,
)
def test_a_string_is_quoted_as_go_quotes_it(text: str, quoted: str) -> None:
    """What Go does not take for printable is escaped."""
    assert quote(text) == quoted
    assert term_text(text) == quoted


def test_outside_of_ascii_all_can_be_escaped() -> None:
    """As %+q asks for."""
    assert quote("é😀a", only_ascii=True) == r'"\u00e9\U0001f600a"'
    assert quote("'", "'") == r"'\''"


def test_depth_is_no_danger() -> None:
    """Deeper than Python calls functions."""
    value: Value = 1
    for _ in range(sys.getrecursionlimit() * 2):
        value = [value]

    assert term_text(value).count("[") == sys.getrecursionlimit() * 2


def test_a_number_of_many_digits_is_printed() -> None:
    """More than the 4,300 that Python's str takes."""
    assert int_text(-(10**5000)) == "-1" + "0" * 5000
    assert number_text(10**5000) == "1" + "0" * 5000
    assert number_text(Number("1e3")) == "1e3"
