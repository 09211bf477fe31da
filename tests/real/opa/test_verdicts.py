"""The real OPA as the judge of our engine: each example policy, and 10,000 generated inputs for each."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import pytest
from tests.support import opa
from tests.support.example_inputs import generated_inputs, picked_inputs
from tests.support.example_policies import POLICIES, Policy
from tests.support.opa_verdicts import opas_answer, our_answer, our_engine, record, recorded

INPUTS = 10_000


@pytest.fixture(scope="module")
def server() -> Iterator[opa.OpaServer]:
    with opa.OpaServer([policy.file for policy in POLICIES]) as started:
        yield started


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.folder)
def test_opa_gives_the_same_answer_to_every_input(policy: Policy, server: opa.OpaServer) -> None:
    """Whole answers, with reasons and audit. OPA reads the whole document, ours what the policy reads of it."""
    engine = our_engine(policy)
    allowed = refused = 0
    for asked in chain(picked_inputs(policy), generated_inputs(policy, INPUTS)):
        answer = opas_answer(server, policy, asked)

        assert our_answer(engine, asked) == answer, asked
        yes = answer is True or (isinstance(answer, dict) and answer.get("allow") is True)
        allowed, refused = allowed + yes, refused + (not yes)
    assert min(allowed, refused) > INPUTS / 10


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.folder)
def test_opas_own_test_command_passes_the_examples(policy: Policy) -> None:
    """`opa test` on the folder as it is, which docs/policies.md recommends; a broken rule makes it fail."""
    told = opa.run("test", str(policy.file), str(policy.tests))

    assert told.returncode == 0, told.stdout
    assert "PASS" in told.stdout
    assert opa.run("test", str(policy.tests)).returncode != 0  # without the policy nothing is true


def test_the_record_is_what_opa_says() -> None:
    """The unit tests compare our engine with it where no OPA is."""
    assert recorded() == record(), "run `python -m tests.support.opa_verdicts` and look at the difference"
