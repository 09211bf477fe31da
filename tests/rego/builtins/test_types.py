"""Types and to_number as OPA answers (answers/types.jsonl)."""

import pytest
from tests.support.opa_answers import Answer, expected, given, recorded

from authz_rego.builtins.types import FUNCTIONS
from authz_rego.errors import EvaluationError

ANSWERS = recorded(__file__, "types")


@pytest.mark.parametrize("answer", ANSWERS, ids=str)
def test_a_call_gives_what_opa_gives(answer: Answer) -> None:
    """To the last digit, and nothing where OPA has nothing."""
    assert given(FUNCTIONS[answer.name], answer.operands) == expected(answer)


def test_every_function_is_asked_for_values_and_for_refusals() -> None:
    """A function without recorded answers would not be noticed here."""
    assert {answer.name for answer in ANSWERS} == set(FUNCTIONS)


def test_a_text_with_a_vast_binary_exponent_ends_the_query() -> None:
    """OPA breaks down on comparing such numbers."""
    assert FUNCTIONS["to_number"]("0x1p-1000") != 0
    with pytest.raises(EvaluationError):
        FUNCTIONS["to_number"]("0x1p-99999999")
