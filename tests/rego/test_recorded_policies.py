"""What OPA answered to policies in seldom forms (answers/policies.yaml), and what ours answers."""

from __future__ import annotations

import pytest
from tests.support.opa_policies import RULES, Recorded, explained, is_among, ours, recorded

CASES = recorded()
COMPILED = [case for case in CASES if not case.problems]
REFUSED = [case for case in CASES if case.problems]


@pytest.mark.parametrize("case", COMPILED, ids=str)
def test_the_answers_are_opas(case: Recorded) -> None:
    """To every input; what OPA leaves undefined is undefined."""
    answers, problems = ours(case)

    assert problems == []
    assert answers == {rule: case.answers.get(rule, ["undefined"] * len(case.inputs)) for rule in RULES}


@pytest.mark.parametrize("case", COMPILED, ids=str)
def test_an_explanation_has_the_same_answers(case: Recorded) -> None:
    """Traced code is other code."""
    assert explained(case) == ours(case)[0]


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_what_opa_refuses_is_refused_for_a_reason_of_its(case: Recorded) -> None:
    """Where there are several, ours may stop at an earlier stage; it tells nothing that OPA does not."""
    _, problems = ours(case)

    assert problems
    assert [each for each in problems if not is_among(each, case.problems)] == []


def test_both_kinds_are_there() -> None:
    """The file was not emptied."""
    assert min(len(COMPILED), len(REFUSED)) > 20
