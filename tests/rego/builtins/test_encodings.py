"""Encodings as OPA answers (answers/encodings.jsonl)."""

import pytest
from tests.support.opa_answers import Answer, expected, given, recorded

from authz_rego.builtins.encodings import FUNCTIONS

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
def test_any_bytes_are_a_text(name: str, good: str, bad: str) -> None:
    """As in OPA, whose strings are bytes; undefined would turn a `not` around."""
    assert FUNCTIONS[name](good) == "\u00e9"
    assert FUNCTIONS[name](bad) == "\udcff"
    assert FUNCTIONS["hex.encode"](FUNCTIONS[name](bad)) == "ff"


@pytest.mark.parametrize(("query", "found"), [("%FF=a", {"\udcff": ["a"]}), ("a=%FF", {"a": ["\udcff"]})])
def test_any_bytes_are_names_and_values_of_a_query(query: str, found: object) -> None:
    """Both ways."""
    assert FUNCTIONS["urlquery.decode_object"](query) == found
    assert FUNCTIONS["urlquery.encode_object"](found) == query
