"""Quantities as OPA answers (answers/units.jsonl)."""

import pytest
from tests.support.opa_answers import Answer, expected, given, recorded

from authz_rego.builtins.units import FUNCTIONS
from authz_rego.errors import EvaluationError

ANSWERS = recorded(__file__, "units")


@pytest.mark.parametrize("answer", ANSWERS, ids=str)
def test_a_call_gives_what_opa_gives(answer: Answer) -> None:
    """To the last digit, and nothing where OPA has nothing."""
    assert given(FUNCTIONS[answer.name], answer.operands) == expected(answer)


def test_every_function_is_asked_for_values_and_for_refusals() -> None:
    """A function without recorded answers would not be noticed here."""
    assert {answer.name for answer in ANSWERS} == set(FUNCTIONS)


@pytest.mark.parametrize("name", ["units.parse", "units.parse_bytes"])
def test_a_quantity_of_a_million_digits_ends_the_query(name: str) -> None:
    """One of a thousand is a number."""
    assert FUNCTIONS[name]("1e1000") > 10**999
    with pytest.raises(EvaluationError):
        FUNCTIONS[name]("1e999999")
