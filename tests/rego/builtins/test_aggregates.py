"""One value of many, and membership, as OPA answers (answers/aggregates.jsonl)."""

import pytest
from tests.support.opa_answers import Answer, expected, given, recorded

from authz_rego.builtins.aggregates import FUNCTIONS, is_member, is_member_at
from authz_rego.values.number import Number

ANSWERS = recorded(__file__, "aggregates")


@pytest.mark.parametrize("answer", ANSWERS, ids=str)
def test_a_call_gives_what_opa_gives(answer: Answer) -> None:
    """To the last digit, and nothing where OPA has nothing."""
    assert given(FUNCTIONS[answer.name], answer.operands) == expected(answer)


def test_every_function_is_asked_for_values_and_for_refusals() -> None:
    """A function without recorded answers would not be noticed here."""
    assert {answer.name for answer in ANSWERS} == set(FUNCTIONS)


def test_membership_is_by_rego_s_equality() -> None:
    """1 is in [1.0], but not in [true]."""
    assert is_member(1, [Number("1.0")])
    assert not is_member(1, [True])


def test_a_position_is_a_member_s_key() -> None:
    """`0, "a" in ["a"]`, and nothing else."""
    assert is_member_at(0, "a", ["a"])
    assert not is_member_at(False, "a", ["a"])
    assert not is_member_at(-1, "a", ["a"])
