"""docs/policies.md says what the code does: the input, the builtins, the reasons, the example policies."""

import json
import re
from pathlib import Path

import pytest
from tests.support import opa_cases

from authz_service.domain.refusals import Reason
from authz_service.domain.rules import PolicySource
from authz_service.policy.builtins import ARITY, instead_of
from authz_service.policy.engine import PolicyEngine
from authz_service.policy.references import INPUT_FIELDS
from authz_service.policy.static_checks import unevaluated_problems

PAGE = (Path(__file__).parents[3] / "docs" / "policies.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_input_document_is_the_one_that_is_checked() -> None:
    """The same fields, no more and no fewer."""
    (example,) = map(json.loads, blocks("json"))

    assert set(example) == set(INPUT_FIELDS)
    for name, fields in INPUT_FIELDS.items():
        assert fields is None or set(example[name]) == fields
    for name in (*INPUT_FIELDS, "mtls.verified", "request.segments"):
        assert name in PAGE


def test_every_builtin_is_listed_and_no_other() -> None:
    """Between the two headings, in the first table."""
    table = PAGE.partition("These are available")[2].partition("These are not")[0]

    assert set(re.findall(r"`([a-z0-9_.]+)`", table)) == {*ARITY, "print"}


def test_what_is_refused_has_the_remedy_that_the_gate_gives() -> None:
    """Each name in the second table is one that the gate refuses with a remedy."""
    table = PAGE.partition("These are not")[2].partition("`http.send` and")[0]
    rows = [row.split("|")[1] for row in table.splitlines() if row.startswith("| `")]
    names = [name for row in rows for name in re.findall(r"`([a-z0-9_.]+)\*?`", row)]

    assert len(names) > 15
    assert all(instead_of(f"{name}x" if name[-1] in "._" else name) for name in names)


def test_the_figures_of_opas_cases_are_those_of_the_lists() -> None:
    """They add up; `make test-opa` compares them with OPA's cases themselves. The claimed ones may only grow."""
    every, *figures = opa_cases.documented()
    _, _, stricter, wrong = figures

    assert sum(figures) == every
    assert figures[0] == len(opa_cases.claimed()) >= 1508
    assert [stricter, wrong] == [len(opa_cases.differences()[kind]) for kind in ("stricter", "wrong")]


@pytest.mark.parametrize("reason", ["allowed", "policy_denied", "policy_undefined", "policy_error"])
def test_every_reason_is_explained(reason: str) -> None:
    """The four that a policy can cause."""
    assert f"`{Reason(reason)}`" in PAGE


def test_the_examples_work() -> None:
    """The small policy passes the gate, allows the good request of the test example and refuses without the role."""
    policy = next(block for block in blocks("rego") if block.startswith("package order\n"))
    tests = next(block for block in blocks("rego") if block.startswith("package order_test"))
    source = PolicySource("data.order.allow", (("order.rego", policy),))

    assert unevaluated_problems(source, print)[0] == []
    for name in re.findall(r"^(test_\w+)", tests, re.MULTILINE):
        files = (("order.rego", policy), ("order_test.rego", tests))
        assert PolicyEngine(PolicySource(f"data.order_test.{name}", files)).ask("{}") == "true"
