"""The example policies: their Rego tests in the product's engine. What OPA says of them: test_recorded_opa_verdicts."""

from __future__ import annotations

import re

import pytest
from tests.support.example_inputs import picked_inputs
from tests.support.example_policies import DATA, EXAMPLES, POLICIES, Policy, compiled

from authz_rego.values.python_documents import from_python

NOW_NS = 1_800_000_000 * 10**9  # in 2027: after the tokens that have expired, before the others


def rego_tests() -> list[tuple[Policy, str]]:
    return [(p, name) for p in POLICIES for name in re.findall(r"^(test_\w+)", p.tests.read_text(), re.MULTILINE)]


@pytest.mark.parametrize(("policy", "name"), rego_tests(), ids=lambda value: getattr(value, "folder", value))
def test_a_rego_test_holds(policy: Policy, name: str) -> None:
    """Every rule `test_…` beside a policy is true."""
    query = compiled(policy, with_tests=True).query(f"data.{policy.file.stem}_test.{name}")

    assert query.evaluate(now_ns=NOW_NS) is True


def test_every_policy_has_rego_tests() -> None:
    """None is forgotten, no name occurs twice (it would be one more body of the first), and each has its `no`."""
    assert sorted(EXAMPLES.glob("*/policies/*.rego")) == sorted(file for p in POLICIES for file in (p.file, p.tests))
    for policy in POLICIES:
        names = [name for tested, name in rego_tests() if tested is policy]
        assert len(names) == len(set(names)) >= 10
        refusals = r"not \w+\.allow|answer\.allow == false"
        assert len(re.findall(refusals, policy.tests.read_text())) >= 5


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.folder)
def test_every_answer_of_the_data_policy_has_a_reason(policy: Policy) -> None:
    """An allowed request has one, the granting sentence; a refused one says what is missing. None is undefined."""
    query = compiled(policy).query(policy.query)
    allowed = 0
    for asked in picked_inputs(policy):
        answer = query.evaluate(from_python(asked))
        allowed += answer["allow"] if policy is DATA else answer
        if policy is not DATA:
            assert isinstance(answer, bool)
        elif answer["allow"]:
            assert re.fullmatch(r"service \S+ has permission \S+", "\n".join(answer["reasons"]))
        else:
            assert answer["reasons"]
            assert not any(" has permission " in reason for reason in answer["reasons"])
    assert 2 <= allowed < len(picked_inputs(policy)) / 2
