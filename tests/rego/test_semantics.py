"""Our engine's answers to the cases of `semantics`; OPA's own are compared in `tests/real/opa`."""

from __future__ import annotations

import json

import pytest
from tests.rego.semantics import CASES, CONFLICT, NOTHING, PANICS, Case

from authz_rego import UNDEFINED, EvaluationError, Policy, Query
from authz_rego.values.json_text import from_json, to_json

ASKED = [(case, input_, expected) for case in CASES for input_, expected in case.asked]


def query_of(case: Case) -> Query:
    data = from_json(json.dumps(case.data))
    return Policy.compile([("p.rego", f"package p\n\n{case.rules}\n")], data).query("data.p.x")


def answer(case: Case, input_: object) -> object:
    """As JSON has it, `NOTHING`, or the code of an error."""
    try:
        found = query_of(case).evaluate(from_json(json.dumps(input_)))
    except EvaluationError as error:
        return error.code
    return NOTHING if found is UNDEFINED else json.loads(to_json(found))


@pytest.mark.parametrize(
    ("case", "input_", "expected"), ASKED, ids=[f"{c.name}: {json.dumps(i)[:40]}" for c, i, _ in ASKED]
)
def test_the_answer_is_opas(case: Case, input_: object, expected: object) -> None:
    """Each yes beside its no."""
    found = answer(case, input_)

    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("case", "input_", "expected"), ASKED, ids=[f"{c.name}: {json.dumps(i)[:40]}" for c, i, _ in ASKED]
)
def test_an_explanation_has_the_same_value(case: Case, input_: object, expected: object) -> None:
    """Traced code is other code."""
    found = query_of(case).explain(from_json(json.dumps(input_)))

    if found.error:
        assert str(expected) in found.error
    else:
        assert (NOTHING if found.value is UNDEFINED else json.loads(to_json(found.value))) == expected


@pytest.mark.parametrize("rules", PANICS)
def test_there_is_no_answer_where_opa_panics(rules: str) -> None:
    """Undefined would be one, and `not` of it lets somebody in."""
    case = Case("", rules, ())

    assert [answer(case, each) for each in ([1], [], {"a": 1})] == [CONFLICT, NOTHING, NOTHING]
    assert "asked for by the form" in query_of(case).explain([1]).error
