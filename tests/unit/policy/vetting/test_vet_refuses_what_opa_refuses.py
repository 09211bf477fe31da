"""What OPA refuses to compile, our vetting refuses; `make test-opa` asks OPA itself about the same table."""

from __future__ import annotations

import pytest
from tests.support.opa_refused import PAIRS, Pair, source

from authz_service.errors import Problem
from authz_service.policy.vetting.checks import problems_of


def problems(text: str) -> list[Problem]:
    """In this process, which is not to end by a clock."""
    return list(problems_of(source(text), [], lambda _, __: None))


def test_the_table_is_long_enough() -> None:
    """Sixty were asked for, and no name is there twice."""
    assert len({pair.name for pair in PAIRS}) == len(PAIRS) >= 60


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
def test_the_gate_refuses_it_too(pair: Pair) -> None:
    """With a remedy; the twin passes."""
    found = problems(pair.bad)

    assert found
    assert all(problem.fix for problem in found)
    assert problems(pair.good) == []
