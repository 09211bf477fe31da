"""URIs as OPA answers (answers/uris.jsonl)."""

import pytest
from tests.support.opa_answers import Answer, expected, given, recorded

from authz_rego.builtins.uris import FUNCTIONS

ANSWERS = recorded(__file__, "uris")


@pytest.mark.parametrize("answer", ANSWERS, ids=str)
def test_a_call_gives_what_opa_gives(answer: Answer) -> None:
    """To the last digit, and nothing where OPA has nothing."""
    assert given(FUNCTIONS[answer.name], answer.operands) == expected(answer)


def test_every_function_is_asked_for_values_and_for_refusals() -> None:
    """A function without recorded answers would not be noticed here."""
    assert {answer.name for answer in ANSWERS} == set(FUNCTIONS)


@pytest.mark.parametrize("uri", ["http://h/%FF", "http://%FF/", "http://h/#%FF"])
def test_bytes_that_are_no_utf8_are_text(uri: str) -> None:
    """They are valid; a query stays encoded."""
    assert FUNCTIONS["uri.is_valid"](uri) is True
    assert "\udcff" in "".join(FUNCTIONS["uri.parse"](uri).values())
    assert FUNCTIONS["uri.parse"]("http://h/?%FF")["raw_query"] == "%FF"
