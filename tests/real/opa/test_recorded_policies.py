"""The record of what OPA answers to policies in seldom forms is what the real OPA answers."""

from __future__ import annotations

from tests.differential.judge import Judge
from tests.support.opa_policies import RULES, opas, recorded


def test_opa_says_so() -> None:
    """`python -m tests.support.opa_policies` writes it anew."""
    with Judge() as judge:
        for case in recorded():
            answers, problems = opas(case, judge)
            assert [each[:3] for each in problems] == [each[:3] for each in case.problems], case.name
            for rule in RULES if answers else ():
                assert answers[rule] == case.answers.get(rule, ["undefined"] * len(case.inputs)), case.name
