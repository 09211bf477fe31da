"""The total order, as OPA has it (answers/order.jsonl)."""

import pytest
from tests.support.opa_answers import Answer, expected, given, recorded

from authz_rego.values.number import Number
from authz_rego.values.value import Key, compare, sorted_keys, sorted_values


@pytest.mark.parametrize("answer", recorded(__file__, "order"), ids=str)
def test_two_values_stand_as_in_opa(answer: Answer) -> None:
    """Whatever their types."""
    assert given(compare, answer.operands) == expected(answer)


@pytest.mark.parametrize("answer", recorded(__file__, "order"), ids=str)
def test_the_order_is_the_same_from_both_sides(answer: Answer) -> None:
    """What is less is not greater."""
    one, other = answer.operands

    assert compare(one, other) == -compare(other, one)


def test_equal_numbers_stay_in_the_order_they_came_in() -> None:
    """They are equal, and written differently."""
    one, other = Number("1.0"), Number("1e0")

    assert list(map(repr, sorted_values([2, one, 1, other]))) == ["Number('1.0')", "1", "Number('1e0')", "2"]
    assert list(map(repr, sorted_values([2, other, 1, one]))) == ["Number('1e0')", "1", "Number('1.0')", "2"]


def test_keys_stand_as_the_values_they_stand_for() -> None:
    """10 after 9, and text after numbers."""
    assert sorted_keys(["b", "a"]) == ["a", "b"]
    assert sorted_keys([Key(10), Key(9)]) == [Key(9), Key(10)]
    assert sorted_keys(["a", Key(10), Key(Number("9.5")), Key([])]) == [Key(Number("9.5")), Key(10), "a", Key([])]


def test_members_that_are_equal_have_an_order_too() -> None:
    """1e400 and 10e399 are both members of a set: their order must not hang on the process."""
    one, other = Key(Number("1e400")), Key(Number("10e399"))

    assert list(map(repr, sorted_keys([one, other]))) == list(map(repr, sorted_keys([other, one])))
