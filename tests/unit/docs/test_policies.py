"""The pages about policies say what the code does: the input, the answers, the builtins, the bounds, the examples."""

import json
import re
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from authz_rego import Policy
from authz_rego.builtins.bounds import LONGEST_TEXT
from authz_rego.builtins.declarations import declarations
from authz_rego.builtins.table import REFUSED, functions
from authz_rego.syntax.cursor import MAX_NESTING
from authz_rego.values.big_integers import MAX_BITS
from authz_rego.values.depth import MAX_DEPTH
from authz_service.domain.refusals import Reason
from authz_service.domain.rules import PolicySource
from authz_service.policy.decide.answers import MEMBERS, NOT_TAKEN
from authz_service.policy.vetting.checks import problems_of
from authz_service.policy.vetting.contract import INPUT_FIELDS, PLUGIN

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "policies.md").read_text()
COMING = (ROOT / "docs" / "coming-from-opa-envoy-plugin.md").read_text()
README = (ROOT / "src" / "authz_rego" / "README.md").read_text()
# What the compiler answers itself.
COMPILED = {"assign", "print", "rego.metadata.chain", "rego.metadata.rule", "time.now_ns", "walk"}


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def between(start: str, end: str, page: str = PAGE) -> str:
    return page.partition(start)[2].partition(end)[0]


def names_in_first_cells(table: str) -> list[str]:
    rows = [row.split("|")[1] for row in table.splitlines() if row.startswith("| `")]
    return [name for row in rows for name in re.findall(r"`([A-Za-z0-9_.*]+)`", row)]


def test_the_input_document_is_the_one_that_is_checked() -> None:
    """The same fields, no more and no fewer."""
    (example,) = map(json.loads, blocks(PAGE, "json"))

    assert set(example) == set(INPUT_FIELDS)
    for name, fields in INPUT_FIELDS.items():
        assert fields is None or set(example[name]) == fields
    for name in (*INPUT_FIELDS, "mtls.verified", "request.segments"):
        assert name in PAGE


def test_the_builtins_that_are_refused_are_those_of_the_table() -> None:
    """Each of them, by its name or by its family, and no other."""
    written = names_in_first_cells(between("## Builtins", "What OPA itself gave up"))
    covered = {name: [each for each in written if fnmatchcase(name, each)] for name in REFUSED}

    assert [name for name, by in covered.items() if len(by) != 1] == []
    assert set(written) == {by for found in covered.values() for by in found}


def test_every_other_builtin_of_opa_is_there() -> None:
    """But for those that OPA gave up, which the page names, and its internal ones."""
    kinds = declarations()
    gone = {name for name, each in kinds.items() if each.deprecated}
    internal = {name for name in kinds if name.startswith("internal.")}
    written = re.findall(r"`([a-z_.]+\*?)`", between("What OPA itself gave up (", ")"))

    assert kinds.keys() - functions().keys() - REFUSED.keys() - COMPILED <= gone | internal
    assert {name for name in gone if any(fnmatchcase(name, each) for each in written)} == gone
    assert {each for each in written if any(fnmatchcase(name, each) for name in gone)} == set(written)


@pytest.mark.parametrize("page", [between("These bounds are ours", "\n\n"), between("**Without end**", "\n\n", README)])
def test_the_bounds_are_those_of_the_code(page: str) -> None:
    """In words for people."""
    assert f"brackets are {MAX_NESTING} deep" in page or f"brackets {MAX_NESTING} deep" in page
    assert f"documents {MAX_DEPTH}" in page
    assert f"{LONGEST_TEXT >> 20} Mi" in page
    assert f"{MAX_BITS:,} bits" in page
    assert f"{1_000_000:,} numbers" in page
    with pytest.raises(Exception, match="more than 1000000 numbers"):
        Policy.compile([("p", "package p\nx := count(numbers.range(1, 1000001))")]).query("data.p.x").evaluate({})


def test_the_members_of_an_answer_are_those_that_are_read() -> None:
    """Ours on the one page, and what is not taken of the plugin's on the other."""
    answer = between("## The answer", "### Step-up")
    table = between("## The answer", "Refused means", COMING)

    assert [member for member in MEMBERS if f'"{member}"' not in answer and f"`{member}`" not in answer] == []
    assert {*NOT_TAKEN, "allowed", "headers"} == set(names_in_first_cells(table))


def test_what_the_plugin_calls_its_input_is_on_the_page() -> None:
    """Each name for which the vetting has a remedy."""
    table = between("## The input", "All of the input", COMING)

    for name in PLUGIN:
        assert f"`input.{name}" in table or name == "version"


@pytest.mark.parametrize("reason", ["allowed", "policy_denied", "policy_undefined", "policy_error"])
def test_every_reason_is_explained(reason: str) -> None:
    """The four that a policy can cause."""
    assert f"`{Reason(reason)}`" in PAGE


def test_the_examples_work() -> None:
    """The policies pass the gate; the tests of the smallest hold, and one would fail if everybody were let in."""
    policy, *_ = [block for block in blocks(PAGE, "rego") if block.startswith("package order\n")]
    tests = next(block for block in blocks(PAGE, "rego") if block.startswith("package order_test"))
    source = PolicySource("data.order.allow", (("order.rego", policy),))

    assert problems_of(source, [], lambda _, __: None) == []
    names = re.findall(r"^(test_\w+)", tests, re.MULTILINE)
    assert len(names) == 2
    for text, good in ((policy, [True, True]), ("package order\nallow := true", [True, False])):
        compiled = Policy.compile([("order.rego", text), ("order_test.rego", tests)])
        assert [compiled.query(f"data.order_test.{name}").evaluate() is True for name in names] == good


def test_the_other_examples_pass_the_gate_too() -> None:
    """Step-up, and headers for the service."""
    step_up = next(block for block in blocks(PAGE, "rego") if "step_up" in block and "package order" in block)
    carried = next(block for block in blocks(PAGE, "rego") if "result.headers" in block)
    before, after = blocks(COMING, "rego")

    for query, text, data in (
        ("data.order.decision", step_up, "{}"),
        ("data.order.result", carried, '{"plans": {}}'),
        ("data.order.allow", f"package order\n\n{after}", "{}"),
    ):
        source = PolicySource(query, (("order.rego", text),), data, ("X-Plan",))
        assert problems_of(source, [], lambda _, __: None) == []
    old = PolicySource("data.order.allow", (("order.rego", f"package order\n\n{before}"),))
    assert problems_of(old, [], lambda _, __: None) != []


def test_the_example_of_the_package_works() -> None:
    """As it stands in its README."""
    (example,) = blocks(README, "python")

    exec(compile(example, "README.md", "exec"), {})
