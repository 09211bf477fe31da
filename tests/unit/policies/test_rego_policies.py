"""The example policies: their Rego tests in the product's engine, and equal answers from another implementation.

rego-cpp (regopy) cannot run the Rego tests themselves: version 1.5.2 fails on `with` over a rule that calls a builtin.
So the second opinion is asked about input documents.
"""

from __future__ import annotations

import json
import re

import pytest
import regopy
from tests.support.example_inputs import picked_inputs
from tests.support.example_policies import DATA, EXAMPLES, POLICIES, Policy, engine


def rego_tests() -> list[tuple[Policy, str]]:
    return [(p, name) for p in POLICIES for name in re.findall(r"^(test_\w+)", p.tests.read_text(), re.MULTILINE)]


@pytest.mark.parametrize(("policy", "name"), rego_tests(), ids=lambda value: getattr(value, "folder", value))
def test_a_rego_test_holds(policy: Policy, name: str) -> None:
    """Every rule `test_…` beside a policy is true."""
    assert engine(policy, with_tests=True).eval_rule_as_json(f"data.{policy.file.stem}_test.{name}") == "true"


def test_every_policy_has_rego_tests() -> None:
    """None is forgotten, no name occurs twice (it would be one more body of the first), and each has its `no`."""
    assert sorted(EXAMPLES.glob("*/policies/*.rego")) == sorted(file for p in POLICIES for file in (p.file, p.tests))
    for policy in POLICIES:
        names = [name for tested, name in rego_tests() if tested is policy]
        assert len(names) == len(set(names)) >= 10
        refusals = r"not \w+\.allow|answer\.allow == false"
        assert len(re.findall(refusals, policy.tests.read_text())) >= 5


# The second opinion.


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.folder)
def test_another_rego_implementation_answers_the_same(policy: Policy) -> None:
    """Whole answers, with reasons and audit; both yes and no occur, and an answer is never undefined."""
    ours = engine(policy)
    theirs = regopy.Interpreter()
    theirs.add_module(policy.file.name, policy.file.read_text())
    bundle = theirs.build(f"answer := {policy.query}")
    allowed = 0

    for asked in picked_inputs(policy):
        ours.set_input_json(json.dumps(asked))
        theirs.set_input(asked)
        answer = json.loads(ours.eval_rule_as_json(policy.query))
        assert answer == theirs.query_bundle(bundle).results[0]["answer"], asked
        allowed += answer["allow"] if isinstance(answer, dict) else answer
        assert isinstance(answer, bool) or set(answer) == {"allow", "reasons", "audit"}
    assert 2 <= allowed < len(picked_inputs(policy)) / 2


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.folder)
def test_every_answer_of_the_data_policy_has_a_reason(policy: Policy) -> None:
    """An allowed request has one, the granting sentence; a refused one says what is missing."""
    loaded = engine(policy)
    for asked in picked_inputs(policy):
        loaded.set_input_json(json.dumps(asked))
        answer = json.loads(loaded.eval_rule_as_json(policy.query))
        if policy is not DATA:
            assert isinstance(answer, bool)
        elif answer["allow"]:
            assert re.fullmatch(r"service \S+ has permission \S+", "\n".join(answer["reasons"]))
        else:
            assert answer["reasons"]
            assert not any(" has permission " in reason for reason in answer["reasons"])
