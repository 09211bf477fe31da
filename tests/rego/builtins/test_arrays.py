"""Arrays as OPA answers (answers/arrays.jsonl)."""

import pytest
from tests.support.opa_answers import Answer, expected, given, recorded

from authz_rego.builtins.arrays import FUNCTIONS

ANSWERS = recorded(__file__, "arrays")


@pytest.mark.parametrize("answer", ANSWERS, ids=str)
def test_a_call_gives_what_opa_gives(answer: Answer) -> None:
    """To the last digit, and nothing where OPA has nothing."""
    assert given(FUNCTIONS[answer.name], answer.operands) == expected(answer)


def test_every_function_is_asked_for_values_and_for_refusals() -> None:
    """A function without recorded answers would not be noticed here."""
    assert {answer.name for answer in ANSWERS} == set(FUNCTIONS)
