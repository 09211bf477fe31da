"""The cases that our engine is tested with have the answers that the real OPA gives."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.differential.judge import Judge, policy_task
from tests.rego.semantics import CASES, NOTHING, PANICS, Case
from tests.support import opa


def opas(case: Case, input_: object, folder: Path) -> object:
    (folder / "p.rego").write_text(f"package p\n\n{case.rules}\n")
    (folder / "data.json").write_text(json.dumps(case.data))
    (folder / "asked").write_text(json.dumps(input_))
    told = opa.run("eval", "-b", str(folder), "-i", str(folder / "asked"), "--format", "json", "data.p.x")
    found = json.loads(told.stdout)
    if "errors" in found:
        return found["errors"][0]["code"]
    return found["result"][0]["expressions"][0]["value"] if "result" in found else NOTHING


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_opa_says_so(case: Case, tmp_path: Path) -> None:
    """A table that only we believe in would prove nothing."""
    assert [opas(case, input_, tmp_path) for input_, _ in case.asked] == [expected for _, expected in case.asked]


def test_opa_panics() -> None:
    """Where the table says so; of an empty array, or of an object, it has an answer."""
    with Judge() as judge:
        for rules in PANICS:
            module = [("p.rego", f"package p\n\n{rules}\n")]
            told = [judge.answer(policy_task(module, {}, [each], ["data.p.x"])) for each in ([1], [], {"a": 1})]
            assert "panic" in told[0], rules
            assert [each["answers"] for each in told[1:]] == [[[{"u": 1}]]] * 2, rules
