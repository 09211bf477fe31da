"""What `authz matrix` prints in each form; the page stands alone and lets nothing of the files become markup."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result
from tests.unit.docs.pages import ROOT
from tests.unit.mesh.conftest import change

from authz_service.cli.main import authz
from authz_service.cli.matrix import MatrixDocument

EXAMPLE = str(ROOT / "examples/three_zones")


def run(*words: str) -> Result:
    return CliRunner().invoke(authz, ["matrix", *words])


@pytest.fixture
def changed(tmp_path: Path) -> str:
    """A mesh in which a customer may order, too."""
    shutil.copytree(EXAMPLE, tmp_path / "mesh")
    change(tmp_path / "mesh/order-service/policies/order.rego", '"orders:create" in', '"customer" in')
    return str(tmp_path / "mesh")


def test_the_text_says_who_may_what() -> None:
    result = run(EXAMPLE)

    assert result.exit_code == 0
    assert "    john (as mary) [web-app]\n      may POST /api/v1/orders, GET /api/v1/orders/{id}" in result.output


def test_nobody_and_nothing_are_said_so_that_they_are_understood() -> None:
    """A token that is missing is nobody's; what is not allowed has its reasons."""
    lines = run(EXAMPLE).output.splitlines()

    assert "    token_missing without a token" in lines
    assert "      nothing is allowed (policy_denied)" in lines
    assert not any(line.strip() == "may nothing" for line in lines)


def test_what_hangs_on_a_condition_is_not_nothing(changed: str) -> None:
    """Only one of its items, and only its owner's."""
    rego = Path(changed) / "payment-service/policies/payment.rego"
    rego.write_text(rego.read_text() + '\nallow if input.request.segments == ["payments", input.token.sub]\n')

    victor = run(changed).output.split("payment-service (")[1].split("victor [web-app]\n")[1].splitlines()

    assert victor[0].startswith("      if  ")
    assert "nothing is allowed" not in victor[0]


def test_the_json_is_as_its_schema_says(changed: str) -> None:
    text = run(changed, "--against", EXAMPLE, "--format", "json").stdout

    document = msgspec.json.decode(text, type=MatrixDocument)
    assert json.loads(msgspec.json.encode(document)) == json.loads(text)
    assert {one.name for one in document.sidecars} == {
        "api-gateway",
        "order-service",
        "payment-service",
        "data-service",
    }
    assert {(one.kind, one.principal) for one in document.changes} == {("gained", "victor")}
    assert json.loads(CliRunner().invoke(authz, ["schema", "matrix"]).output)["$ref"] == "#/$defs/MatrixDocument"


def test_the_csv_has_one_line_for_each_answer() -> None:
    rows = list(csv.DictReader(io.StringIO(run(EXAMPLE, "--format", "csv").stdout)))
    wanted = {"sidecar": "order-service", "principal": "john", "method": "POST", "path": "/orders"}

    assert [row["answer"] for row in rows if wanted.items() <= row.items()] == ["allow"]
    assert not any(value.startswith(("=", "+", "@")) for row in rows for value in row.values())


def test_markdown_is_a_table_for_each_sidecar() -> None:
    text = run(EXAMPLE, "--format", "md").stdout

    assert text.count("\n| certificate | whose token |") == 4
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({line.count(" | ") for line in block.splitlines() if not line.startswith("|---")}) == 1


@pytest.mark.parametrize(("fail_on", "code"), [("gained", 1), ("lost", 0)])
def test_a_gain_fails_the_build_that_asks_for_it(changed: str, fail_on: str, code: int) -> None:
    result = run(changed, "--against", EXAMPLE, "--fail-on", fail_on)

    assert result.exit_code == code
    assert "gained order-service: victor over O=MyOrg,CN=api-gateway-client: POST /orders" in result.output
    assert result.output.splitlines()[-1] == "2 gained, 0 lost"


def test_what_cannot_be_judged_is_said(changed: str) -> None:
    change(Path(changed) / "order-service/policies/order.rego", "default allow := false", "default allow := nothing")

    result = run(changed)

    assert result.exit_code == 2
    assert "not judged" in result.output


def test_fail_on_needs_something_to_compare_with() -> None:
    assert run(EXAMPLE, "--fail-on", "gained").exit_code == 2


def test_the_page_stands_alone() -> None:
    """Nothing is loaded from anywhere, and its own policy forbids it."""
    page = run(EXAMPLE, "--format", "html").stdout

    assert "default-src 'none'" in page.replace("&#x27;", "'")
    assert not re.search(r"(?:src|href)=|url\(|@import|https?://(?!keycloak)", page)


def test_nothing_of_the_files_becomes_markup(tmp_path: Path) -> None:
    """A path, a user, a service with a tag in its name."""
    shutil.copytree(EXAMPLE, tmp_path / "mesh")
    change(
        tmp_path / "mesh/realms/users-realm.json", '"username": "victor"', '"username": "<img src=x>\\" onload=\\"y"'
    )
    change(tmp_path / "mesh/order-service/policies/order.rego", '["orders", "inventory"]', '["orders", "<script>"]')

    page = run(str(tmp_path / "mesh"), "--format", "html").stdout

    assert "&lt;img src=x&gt;" in page
    assert page.count("<script>") == 1
    assert "<img" not in page
    assert '" onload="' not in page
