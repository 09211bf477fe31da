"""What the cases of `tests/rego/problem_cases.py` say of OPA is what the real OPA says."""

from __future__ import annotations

import json

import pytest
from tests.differential.judge import Judge, policy_task
from tests.rego.problem_cases import CASES, Case, files_of

from authz_rego.values.json_text import from_json


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_opa_tells_the_same(case: Case) -> None:
    with Judge() as judge:
        answer = judge.answer(policy_task(files_of(case), from_json(json.dumps(case.data)), ()))

    found = sorted((file, row, code, text) for code, file, row, _, text in answer.get("problems", ()))
    assert len(found) == len(case.problems)
    for (*place, text), (*expected, beginning) in zip(found, case.problems, strict=True):
        assert place == expected
        assert text.startswith(beginning)
