"""Bits as OPA answers (answers/bits.jsonl)."""

import pytest
from tests.support.opa_answers import Answer, expected, given, recorded

from authz_rego.builtins.bits import FUNCTIONS
from authz_rego.errors import EvaluationError

ANSWERS = recorded(__file__, "bits")


@pytest.mark.parametrize("answer", ANSWERS, ids=str)
def test_a_call_gives_what_opa_gives(answer: Answer) -> None:
    """To the last digit, and nothing where OPA has nothing."""
    assert given(FUNCTIONS[answer.name], answer.operands) == expected(answer)


def test_every_function_is_asked_for_values_and_for_refusals() -> None:
    """A function without recorded answers would not be noticed here."""
    assert {answer.name for answer in ANSWERS} == set(FUNCTIONS)


def test_a_shift_beyond_300_000_bits_ends_the_query() -> None:
    """Zero may be shifted as far as one likes."""
    assert FUNCTIONS["bits.lsh"](0, 2**63) == 0
    with pytest.raises(EvaluationError):
        FUNCTIONS["bits.lsh"](1, 300_000)
