"""Encodings as OPA answers (answers/encodings.jsonl)."""

import pytest
from tests.support.opa_answers import Answer, expected, given, recorded

from authz_rego.builtins.encodings import FUNCTIONS
from authz_rego.errors import EvaluationError

ANSWERS = recorded(__file__, "encodings")


@pytest.mark.parametrize("answer", ANSWERS, ids=str)
def test_a_call_gives_what_opa_gives(answer: Answer) -> None:
    """To the last digit, and nothing where OPA has nothing."""
    assert given(FUNCTIONS[answer.name], answer.operands) == expected(answer)


def test_every_function_is_asked_for_values_and_for_refusals() -> None:
    """A function without recorded answers would not be noticed here."""
    assert {answer.name for answer in ANSWERS} == set(FUNCTIONS)


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("base64.decode", "w6k=", "/w=="),
        ("base64url.decode", "w6k", "_w"),
        ("hex.decode", "c3a9", "ff"),
        ("urlquery.decode", "%C3%A9", "%FF"),
    ],
)
def test_bytes_that_are_no_text_end_the_query(name: str, good: str, bad: str) -> None:
    """Undefined would turn a `not` around; OPA has a string of these bytes, which ours cannot be."""
    assert FUNCTIONS[name](good) == "\u00e9"
    with pytest.raises(EvaluationError):
        FUNCTIONS[name](bad)


@pytest.mark.parametrize("query", ["%FF=a", "a=%FF"])
def test_bytes_that_are_no_text_in_a_query_end_ours(query: str) -> None:
    """Whether as a name or as a value."""
    assert FUNCTIONS["urlquery.decode_object"](query.replace("%FF", "%41")) in ({"A": ["a"]}, {"a": ["A"]})
    with pytest.raises(EvaluationError):
        FUNCTIONS["urlquery.decode_object"](query)
