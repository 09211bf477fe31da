"""YAML as OPA answers (answers/yaml_documents.jsonl)."""

import pytest
from tests.support.opa_answers import Answer, expected, given, recorded

from authz_rego.builtins.yaml_documents import FUNCTIONS
from authz_rego.errors import BuiltinError, EvaluationError

ANSWERS = recorded(__file__, "yaml_documents")


@pytest.mark.parametrize("answer", ANSWERS, ids=str)
def test_a_call_gives_what_opa_gives(answer: Answer) -> None:
    """To the last digit, and nothing where OPA has nothing."""
    assert given(FUNCTIONS[answer.name], answer.operands) == expected(answer)


def test_every_function_is_asked_for_values_and_for_refusals() -> None:
    """A function without recorded answers would not be noticed here."""
    assert {answer.name for answer in ANSWERS} == set(FUNCTIONS)


@pytest.mark.parametrize("name", ["yaml.unmarshal", "yaml.is_valid"])
@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("[" * 100 + "]" * 100, "[" * 200 + "]" * 200),
        ("- a", "- a\n" * 100_000),
        ("a: x\ufeffyy \nb: c", "a: x\ufeff"),
        ("<<: {'2': a}\n1: b", "<<: {'1': a}\n1: b"),
    ],
    ids=["depth", "length", "byte order mark", "two keys of one name"],
)
def test_what_ours_cannot_answer_ends_the_query(name: str, good: str, bad: str) -> None:
    """Undefined, or not valid, would be an answer that OPA does not give."""
    FUNCTIONS[name](good)
    with pytest.raises(EvaluationError):
        FUNCTIONS[name](bad)


def test_a_flood_of_aliases_is_refused() -> None:
    """A few are not; go-yaml allows for so much."""
    lines = ["a0: &a0 [x]", *(f"a{each}: &a{each} [{', '.join([f'*a{each - 1}'] * 9)}]" for each in range(1, 9))]
    assert FUNCTIONS["yaml.unmarshal"]("\n".join(lines[:3]))["a2"] == [[["x"]] * 9] * 9
    with pytest.raises(BuiltinError):
        FUNCTIONS["yaml.unmarshal"]("\n".join(lines))


def test_an_alias_within_itself_is_refused() -> None:
    """Behind itself it is not."""
    assert FUNCTIONS["yaml.unmarshal"]("[&a [1], *a]") == [[1], [1]]
    with pytest.raises(BuiltinError):
        FUNCTIONS["yaml.unmarshal"]("&a [*a]")


def test_keys_that_go_yaml_orders_in_a_circle_end_the_query() -> None:
    """Their order is by chance in OPA; that of two of them is not."""
    keys = ["_0", "1A0", "123456789012345678901"]
    assert FUNCTIONS["yaml.marshal"](dict.fromkeys(keys[:2], 1)) == "_0: 1\n1A0: 1\n"
    with pytest.raises(EvaluationError):
        FUNCTIONS["yaml.marshal"](dict.fromkeys(keys, 1))


def test_a_value_that_is_too_deep_ends_the_query() -> None:
    """A hundred levels are written."""
    value: list[object] = []
    for _ in range(99):
        value = [value]
    assert FUNCTIONS["yaml.marshal"](value) == "- " * 99 + "[]\n"
    for _ in range(5000):
        value = [value]
    with pytest.raises(EvaluationError):
        FUNCTIONS["yaml.marshal"](value)
