"""OPA's own conformance cases through our load gate and engine. What the gate lets pass is right, or is listed."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from tests.support import opa, opa_cases
from tests.support.opa_cases import CRASH, RIGHT, STRICTER, WRONG, Outcome

from authz_service.policy.builtins import ARITY, instead_of

Outcomes = dict[str, Outcome]


@pytest.fixture(scope="module")
def outcomes() -> Outcomes:
    folder = opa.module_folder() / "v1" / "test" / "cases" / "testdata" / "v1"
    return {case.note: outcome for case, outcome in opa_cases.judge_all(opa_cases.load_cases(folder))}


def of_kind(outcomes: Outcomes, kind: str) -> dict[str, str]:
    return {note: outcome.detail for note, outcome in outcomes.items() if outcome.kind == kind}


def test_every_claimed_case_is_answered_as_opa_does(outcomes: Outcomes) -> None:
    """The list only grows: a case that is lost is red, and one that is won has to be added."""
    right = set(of_kind(outcomes, RIGHT))
    claimed = opa_cases.claimed()

    assert sorted(set(claimed) - right) == []
    assert sorted(right - set(claimed)) == [], "add these to tests/vectors/opa/claimed.txt"
    assert claimed == sorted(set(claimed))


def test_what_passes_the_gate_and_is_answered_otherwise_is_listed(outcomes: Outcomes) -> None:
    """A new difference is a defect of the load gate; no case ends the process."""
    listed = opa_cases.differences()

    assert of_kind(outcomes, WRONG).keys() == listed["wrong"].keys()
    assert of_kind(outcomes, STRICTER).keys() == listed["stricter"].keys()
    assert of_kind(outcomes, CRASH) == {}


def test_every_case_is_accounted_for(outcomes: Outcomes) -> None:
    """The figures of docs/policies.md."""
    counts = Counter(outcome.kind for outcome in outcomes.values())

    assert opa_cases.documented() == [len(outcomes), *(counts[kind] for kind in opa_cases.DOCUMENTED)]


def test_each_builtin_of_opa_is_ours_or_has_a_remedy() -> None:
    """With as many arguments as there; operators and OPA's internal functions are not for policies."""
    builtins = json.loads(opa.run("capabilities", "--current").stdout)["builtins"]
    named = {each["name"]: len(each["decl"].get("args", ())) for each in builtins if not each.get("infix")}
    theirs = {name: arity for name, arity in named.items() if not name.startswith("internal.") and name != "print"}

    assert {name: theirs[name] for name in ARITY} == ARITY
    assert [name for name in theirs if name not in ARITY and not instead_of(name)] == []
