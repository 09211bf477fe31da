"""Equality and hashing; what OPA says is in answers/order.jsonl and in ../builtins/answers/comparison.jsonl."""

import pickle

import pytest

from authz_rego.values.number import Number
from authz_rego.values.value import UNDEFINED, Key, Value, equal, key_of, value_of


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, True), (0, False), (None, False), ([1], [True]), ({"a": 1}, {"a": True}), ([], frozenset()), ({}, [])],
)
def test_what_is_equal_to_python_is_not_to_rego(one: Value, other: Value) -> None:
    """Nor is it one member of a set."""
    assert equal(one, one)
    assert not equal(one, other)
    assert len({key_of(one), key_of(other)}) == 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([1], [Number("1.0")]),
        ({"a": 1}, {"a": Number("1e0")}),
        ({Key(1): "a"}, {Key(Number("1.0")): "a"}),
        (frozenset({Key(1)}), frozenset({Key(Number("1.0"))})),
        ([frozenset({Key([1])})], [frozenset({Key([Number("1.0")])})]),
    ],
)
def test_numbers_are_equal_however_deep(one: Value, other: Value) -> None:
    """And what contains them is one member of a set."""
    assert equal(one, other)
    assert len({key_of(one), key_of(other)}) == 1


def test_sets_are_equal_whose_members_do_not_find_each_other() -> None:
    """1e400 and 10e399 are equal, and known by their text: so it is in OPA."""
    one, other = Key(Number("1e400")), Key(Number("10e399"))

    assert equal(frozenset({one}), frozenset({other}))
    assert equal({one: 1}, {other: 1})
    assert not equal({one: 1}, {other: 2})
    assert not equal(frozenset({one}), frozenset({Key(Number("1e401"))}))
    assert len({key_of([one.value]), key_of([other.value])}) == 2


def test_a_key_stands_for_its_value() -> None:
    """Text stands for itself."""
    assert value_of(key_of([1])) == [1]
    assert key_of("a") == "a"


def test_undefined_is_one() -> None:
    """Also after it went through another process."""
    assert pickle.loads(pickle.dumps(UNDEFINED)) is UNDEFINED
    assert not UNDEFINED
