"""Our compiler's answers to `problem_cases`; OPA's own are compared in `tests/real/opa`."""

from __future__ import annotations

import json

import pytest
from tests.rego.problem_cases import CASES, Case, files_of

from authz_rego import Policy, RegoProblems
from authz_rego.values.json_text import from_json


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_told_is_what_opa_tells(case: Case) -> None:
    """With places, and what compiles beside it."""
    found = []
    try:
        Policy.compile(files_of(case), from_json(json.dumps(case.data)))
    except RegoProblems as refused:
        found = sorted((each.place.file, each.place.row, each.code, each.found) for each in refused.problems)

    assert len(found) == len(case.problems)
    for (*place, text), (*expected, beginning) in zip(found, case.problems, strict=True):
        assert place == expected
        assert text.startswith(beginning)
