"""JSON text, paths and patches as OPA answers (answers/json_documents.jsonl)."""

import pytest
from tests.support.opa_answers import Answer, expected, given, recorded

from authz_rego.builtins.json_documents import FUNCTIONS
from authz_rego.errors import EvaluationError

ANSWERS = recorded(__file__, "json_documents")


@pytest.mark.parametrize("answer", ANSWERS, ids=str)
def test_a_call_gives_what_opa_gives(answer: Answer) -> None:
    """To the last digit, and nothing where OPA has nothing."""
    assert given(FUNCTIONS[answer.name], answer.operands) == expected(answer)


def test_every_function_is_asked_for_values_and_for_refusals() -> None:
    """A function without recorded answers would not be noticed here."""
    assert {answer.name for answer in ANSWERS} == set(FUNCTIONS)


def test_a_document_that_is_too_deep_ends_the_query() -> None:
    """OPA would read it; were it merely undefined, a `not` around it would hold."""
    assert FUNCTIONS["json.unmarshal"]("[" * 128 + "]" * 128)
    with pytest.raises(EvaluationError):
        FUNCTIONS["json.unmarshal"]("[" * 129 + "]" * 129)


def test_patches_that_build_a_deep_document_end_the_query() -> None:
    """Each operation goes one level deeper."""
    steps = [{"op": "add", "path": ["a"] * depth, "value": {}} for depth in range(1, 400)]

    assert FUNCTIONS["json.patch"]({}, steps[:100])
    with pytest.raises(EvaluationError):
        FUNCTIONS["json.patch"]({}, steps)


def test_a_patch_leaves_its_operands_as_they_are() -> None:
    """Values are never changed."""
    document = {"a": [1, {"b": 2}]}

    FUNCTIONS["json.patch"](document, [{"op": "add", "path": "/a/1/c", "value": 3}, {"op": "remove", "path": "/a/0"}])

    assert document == {"a": [1, {"b": 2}]}


def test_text_that_is_laid_out_is_bounded() -> None:
    """A long prefix before each of many lines."""
    options = {"prefix": "x" * 10_000}

    assert FUNCTIONS["json.marshal_with_options"]([1], options)
    with pytest.raises(EvaluationError):
        FUNCTIONS["json.marshal_with_options"]([1] * 2_000, options)
