"""Our engine against what the real OPA answered; `make test-opa` asks OPA itself, and far more."""

from __future__ import annotations

import pytest
from tests.support import opa
from tests.support.example_inputs import generated_inputs
from tests.support.example_policies import POLICIES, Policy
from tests.support.opa_verdicts import RECORDED, digest, our_answer, our_engine, recorded


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.folder)
def test_our_engine_answers_as_opa_did(policy: Policy) -> None:
    """The answers are to these very inputs, and both yes and no are among them."""
    asked = list(generated_inputs(policy, RECORDED))
    record = recorded()["policies"][policy.folder]
    engine = our_engine(policy)

    assert record["inputs"] == digest(asked), "other inputs are generated: run `python -m tests.support.opa_verdicts`"
    assert [our_answer(engine, each) for each in asked] == record["answers"]
    allowed = [answer is True or (isinstance(answer, dict) and answer.get("allow")) for answer in record["answers"]]
    assert RECORDED / 10 < sum(map(bool, allowed)) < RECORDED * 9 / 10


def test_the_record_is_of_the_pinned_opa() -> None:
    """Whoever pins another OPA records anew."""
    assert recorded()["opa"] == opa.VERSION
