"""Versions as OPA answers (answers/versions.jsonl)."""

import pytest
from tests.support.opa_answers import Answer, expected, given, recorded

from authz_rego.builtins.versions import FUNCTIONS
from authz_rego.errors import EvaluationError

ANSWERS = recorded(__file__, "versions")


@pytest.mark.parametrize("answer", ANSWERS, ids=str)
def test_a_call_gives_what_opa_gives(answer: Answer) -> None:
    """To the last digit, and nothing where OPA has nothing."""
    assert given(FUNCTIONS[answer.name], answer.operands) == expected(answer)


def test_every_function_is_asked_for_values_and_for_refusals() -> None:
    """A function without recorded answers would not be noticed here."""
    assert {answer.name for answer in ANSWERS} == set(FUNCTIONS)


def test_numbers_that_opa_never_tells_apart_end_the_query() -> None:
    """OPA takes both for the largest of 64 bits, and looks on behind the end for ever."""
    assert FUNCTIONS["semver.compare"]("1.0.0-9223372036854775806", "1.0.0-9223372036854775807") == -1
    with pytest.raises(EvaluationError):
        FUNCTIONS["semver.compare"]("1.0.0-9223372036854775807", "1.0.0-9223372036854775808")
