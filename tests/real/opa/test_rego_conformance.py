"""OPA's own cases through `authz_rego`: each is right, or refused at load by the name of a builtin of our list."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml
from tests.differential.conformance import REFUSED_AT_LOAD, RIGHT, WRONG, Outcome, load_cases, outcomes
from tests.differential.judge import Judge
from tests.support.opa import ROOT, module_folder

from authz_rego.builtins.table import REFUSED

Outcomes = dict[str, Outcome]
LIST = ROOT / "tests" / "vectors" / "opa" / "refused_cases.yaml"
# A builtin that OPA's own tests register for themselves; no OPA has it.
_OF_OPAS_TESTS = {"test.sleep"}


@pytest.fixture(scope="module")
def judged() -> Iterator[Outcomes]:
    folder = module_folder() / "v1" / "test" / "cases" / "testdata" / "v1"
    with Judge() as judge:
        yield {case.note: outcome for case, outcome in outcomes(load_cases(folder, judge), judge)}


@pytest.fixture(scope="module")
def listed() -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = yaml.safe_load(LIST.read_text(encoding="utf-8"))
    return found


def test_no_case_is_answered_otherwise_than_by_opa(judged: Outcomes) -> None:
    """What is not right is refused at load."""
    assert {note: outcome.detail for note, outcome in judged.items() if outcome.kind == WRONG} == {}
    assert sum(outcome.kind == RIGHT for outcome in judged.values()) > 2_000


def test_the_refused_cases_are_listed_and_the_list_only_shrinks(
    judged: Outcomes, listed: dict[str, dict[str, object]]
) -> None:
    """A case that is refused and not listed is a loss; one that is listed and not refused has to be taken out."""
    refused: dict[str, list[str]] = {}
    for note, outcome in judged.items():
        if outcome.kind == REFUSED_AT_LOAD:
            refused.setdefault(outcome.detail, []).append(note)

    assert {name: sorted(notes) for name, notes in refused.items()} == {
        name: each["cases"] for name, each in listed.items()
    }


def test_every_refusal_has_its_reason(listed: dict[str, dict[str, object]]) -> None:
    """The builtins of the list are those that the compiler refuses, with the reason that it tells."""
    assert listed.keys() <= REFUSED.keys() | _OF_OPAS_TESTS
    assert {name: each["reason"] for name, each in listed.items() if name in REFUSED} == {
        name: REFUSED[name] for name in listed if name in REFUSED
    }
    assert all(each["reason"] for each in listed.values())
