"""Python objects as values."""

from collections import OrderedDict
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as some

from authz_rego.values.json_text import from_json
from authz_rego.values.number import Number
from authz_rego.values.python_documents import from_python
from authz_rego.values.value import Key


class Point(NamedTuple):
    x: int
    y: float


class Colour(StrEnum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


def test_plain_objects_become_values() -> None:
    """And subclasses of plain types what they are made of."""
    document = OrderedDict(a=Point(1, 2.5), b={"x", "y"}, c=[None, True, Colour.RED, Level.HIGH])

    found = from_python(document)

    assert repr(found) == repr({"a": [1, Number("2.5")], "b": found["b"], "c": [None, True, "red", 3]})
    assert found["b"] == frozenset({"x", "y"})
    assert [type(each) for each in (found, found["a"], found["c"][2], found["c"][3])] == [dict, list, str, int]


def test_a_value_is_its_own_value() -> None:
    """Sets of values, and keys that are no text, included."""
    value = {"a": frozenset({"x", Key(1), Key(Number("1.5"))}), Key(2): [Number("1e3")]}

    assert from_python(value) == value


def test_members_are_copied() -> None:
    """The caller may change what was given; nobody changes a value."""
    given_one = {"a": [1]}

    found = from_python(given_one)
    given_one["a"].append(2)

    assert found == {"a": [1]}


@pytest.mark.parametrize(
    ("document", "found"),
    [
        ({"a": [1, {"b c": object()}]}, "^.a\\[1\\]\\['b c'\\]: a object is no value$"),
        ({"a": {1: 2}}, "^.a\\[1\\]: a key must be text, not int$"),
        ([float("inf")], "^\\[0\\]: inf is no number$"),
        (float("nan"), "^the document: nan is no number$"),
        ({"a": b"x"}, "^.a: a bytes is no value$"),
        (Decimal(1), "^the document: a Decimal is no value$"),
    ],
)
def test_what_is_no_value_is_refused_with_its_place(document: object, found: str) -> None:
    """The reader of the message has to find it."""
    with pytest.raises(ValueError, match=found):
        from_python(document)


def test_an_integer_has_at_most_300_000_bits() -> None:
    """As everything that is computed."""
    assert from_python(2**299_999) == 2**299_999
    with pytest.raises(ValueError, match=r"^\[0\]: an integer of more than 300000 bits$"):
        from_python([2**300_000])


def test_a_document_is_at_most_128_levels_deep() -> None:
    """A list that has itself as a member is deeper."""
    deep: list[object] = []
    for _ in range(127):
        deep = [deep]
    endless: list[object] = []
    endless.append(endless)

    assert from_python(deep) == deep
    for each in ([deep], endless, {"a": deep}):
        with pytest.raises(ValueError, match="more than 128 levels deep"):
            from_python(each)


@given(some.text("a\ud800\udbff\udc00\udfffé😀"))
def test_halves_of_characters_become_what_json_makes_of_them(text: str) -> None:
    """Two halves are one character, one half is U+FFFD: no value has surrogates."""
    escaped = '"' + "".join(f"\\u{ord(each):04x}" if each < "\U00010000" else each for each in text) + '"'

    found = from_python(text)

    assert found == from_json(escaped)
    found.encode()
