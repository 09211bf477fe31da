"""URIs as OPA answers (answers/uris.jsonl)."""

import pytest
from tests.support.opa_answers import Answer, expected, given, recorded

from authz_rego.builtins.uris import FUNCTIONS
from authz_rego.errors import EvaluationError

ANSWERS = recorded(__file__, "uris")


@pytest.mark.parametrize("answer", ANSWERS, ids=str)
def test_a_call_gives_what_opa_gives(answer: Answer) -> None:
    """To the last digit, and nothing where OPA has nothing."""
    assert given(FUNCTIONS[answer.name], answer.operands) == expected(answer)


def test_every_function_is_asked_for_values_and_for_refusals() -> None:
    """A function without recorded answers would not be noticed here."""
    assert {answer.name for answer in ANSWERS} == set(FUNCTIONS)


@pytest.mark.parametrize("uri", ["http://h/%FF", "http://%FF/", "http://h/#%FF"])
def test_bytes_that_are_no_text_end_the_query(uri: str) -> None:
    """They are valid; in a query, which stays encoded, they do no harm."""
    assert FUNCTIONS["uri.is_valid"](uri) is True
    assert FUNCTIONS["uri.parse"]("http://h/?%FF")["raw_query"] == "%FF"
    with pytest.raises(EvaluationError):
        FUNCTIONS["uri.parse"](uri)
