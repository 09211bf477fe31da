"""What of JSON Schemas in annotations this compiler refuses by name. What it knows: `tests/rego/problem_cases.py`."""

from __future__ import annotations

import pytest

from authz_rego import Policy, RegoProblems

_POLICY = "package p\n\n# METADATA\n# schemas:\n# - {}: {}\nx if input.b\n"


@pytest.mark.parametrize(
    ("path", "text", "row", "found"),
    [
        ("input", "{properties: {b: {$ref: '#/d/b'}}}", 6, "`$ref` is not supported in a schema of an annotation"),
        ("input", "{allOf: [{type: object}]}", 6, "`allOf` is not supported in a schema of"),
        ("input", "{$id: 'http://a.b/c'}", 6, "a schema's own name (`$id`) is not supported"),
        ("input", "{$schema: 'http://json-schema.org/draft-04/schema#'}", 6, "an old draft of JSON Schema is not"),
        ("input.b[0]", "{type: string}", 3, 'schema for path "input.b[0]", which is not of names alone'),
    ],
)
def test_what_is_not_known_of_a_schema_is_refused(path: str, text: str, row: int, found: str) -> None:
    """Nobody is told that a check is done which is not."""
    with pytest.raises(RegoProblems) as refused:
        Policy.compile([("p.rego", _POLICY.format(path, text))], {})

    [problem] = refused.value.problems
    assert (problem.place.row, problem.found[: len(found)]) == (row, found)
    assert problem.fix


@pytest.mark.parametrize("text", ["{allOf: []}", "{properties: {id: {type: string}}}", "{enum: [{$id: x}]}"])
def test_what_only_looks_like_it_is_none(text: str) -> None:
    Policy.compile([("p.rego", _POLICY.format("input.b", text))], {})
