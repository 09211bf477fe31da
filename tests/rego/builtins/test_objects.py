"""Objects as OPA answers (answers/objects.jsonl)."""

import pytest
from tests.support.opa_answers import Answer, expected, given, recorded

from authz_rego.builtins.objects import FUNCTIONS

ANSWERS = recorded(__file__, "objects")


@pytest.mark.parametrize("answer", ANSWERS, ids=str)
def test_a_call_gives_what_opa_gives(answer: Answer) -> None:
    """To the last digit, and nothing where OPA has nothing."""
    assert given(FUNCTIONS[answer.name], answer.operands) == expected(answer)


def test_every_function_is_asked_for_values_and_for_refusals() -> None:
    """A function without recorded answers would not be noticed here."""
    assert {answer.name for answer in ANSWERS} == set(FUNCTIONS)


@pytest.mark.parametrize("name", ["object.union", "object.union_n"])
def test_a_union_leaves_its_operands_as_they_are(name: str) -> None:
    """Objects inside are merged into new ones."""
    one, other = {"a": {"b": 1}}, {"a": {"c": 2}}

    found = FUNCTIONS[name](one, other) if name == "object.union" else FUNCTIONS[name]([one, other])

    assert found == {"a": {"b": 1, "c": 2}}
    assert (one, other) == ({"a": {"b": 1}}, {"a": {"c": 2}})
