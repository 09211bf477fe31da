"""What `authz lint` prints: for people, programs, GitHub and SARIF; its exit code says whether anything is wrong."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result
from tests.support.meshes import SPEC, example_mesh
from tests.unit.docs.pages import ROOT, first_cells, read, section
from tests.unit.mesh.conftest import change

from authz_service.cli.lint import LintDocument
from authz_service.cli.main import authz
from authz_service.mesh.lint.catalogue import BY_ID

EXAMPLE = str(ROOT / "examples/three_zones")
WRONG = str(SPEC)  # without its certificates: what the other files say is enough


def run(*words: str) -> Result:
    return CliRunner().invoke(authz, ["lint", *words])


def test_the_exit_code_says_whether_something_is_wrong(tmp_path: Path) -> None:
    """0 nothing, 1 findings, 2 no mesh; notes are no findings."""
    assert [run(place).exit_code for place in (EXAMPLE, WRONG, str(tmp_path))] == [0, 1, 2]


def test_a_finding_shows_both_places_and_the_remedy() -> None:
    """Side by side."""
    lines = run(WRONG).output.splitlines()
    at = lines.index(
        "order-service/config.yaml:14 error AZ201 a token that is passed on is not for the sidecar that gets it"
    )

    assert lines[at + 1 : at + 4] == [
        "  here  order-service wants aud order-service",
        "  there gateway/config.yaml:12 gateway passes on tokens (of john) with aud api-gateway",
        "  do    give its client an audience mapper for order-service in the realm users, or correct jwt.audience",
    ]


@pytest.mark.parametrize("certificates", [True, False])
def test_the_last_line_says_what_was_not_judged(tmp_path: Path, *, certificates: bool) -> None:
    """Nothing of the kind where the certificates are here; one finding is no plural."""
    mesh = example_mesh(tmp_path / "mesh")
    change(mesh / "gateway/config.yaml", 'audience: "api-gateway"', 'audience: "gateway-api"')
    if not certificates:
        shutil.rmtree(mesh / "certs")

    lines = run(str(mesh)).output.splitlines()

    assert any(line.startswith("1 finding: 1 error, 0 warnings") for line in lines)
    judged = [line for line in lines if line.startswith("certificates are not here (/etc/certs/")]
    assert judged == ([] if certificates else [lines[-1]])
    assert certificates or "and 8 more): handshakes were not judged" in lines[-1]


def test_notes_are_shown_when_they_are_asked_for() -> None:
    assert "AZ902" not in run(WRONG).output
    assert "AZ902" in run(WRONG, "--notes").output


def test_the_json_is_as_its_schema_says() -> None:
    text = run(WRONG, "--format", "json").stdout

    document = msgspec.json.decode(text, type=LintDocument)
    assert json.loads(msgspec.json.encode(document)) == json.loads(text)
    assert {one.severity for one in document.findings} == {"error", "warning"}
    assert json.loads(CliRunner().invoke(authz, ["schema", "lint"]).output)["$ref"] == "#/$defs/LintDocument"


def test_sarif_has_every_rule_and_a_place_for_each_result() -> None:
    """SARIF 2.1.0, §3.27 and §3.49."""
    document = json.loads(run(WRONG, "--format", "sarif").stdout)
    (described,) = document["runs"]
    rules = {rule["id"] for rule in described["tool"]["driver"]["rules"]}

    assert document["version"] == "2.1.0"
    assert rules == {*BY_ID, "AZ002"}
    assert described["results"]
    for result in described["results"]:
        place = result["locations"][0]["physicalLocation"]
        assert result["ruleId"] in rules
        assert Path(place["artifactLocation"]["uri"]).exists()
        assert place["region"]["startLine"] > 0


def test_github_gets_one_line_for_each_finding() -> None:
    """Without a character that would begin another property or command."""
    lines = run(WRONG, "--format", "github").stdout.splitlines()

    assert lines
    assert all(line.split(" ", 1)[0] in {"::error", "::warning", "::notice"} for line in lines)
    assert all("file=" in line and ",title=AZ" in line for line in lines)


@pytest.mark.parametrize("rule", [*BY_ID, "AZ002"])
def test_a_rule_explains_itself(rule: str) -> None:
    result = run("--rule", rule)

    assert result.exit_code == 0
    assert f"\n  why  {BY_ID[rule].why if rule in BY_ID else ''}" in result.output


@pytest.mark.parametrize("words", [(), ("--rule", "AZ101", EXAMPLE)])
def test_a_mesh_or_a_rule(words: tuple[str, ...]) -> None:
    assert run(*words).exit_code == 2


def test_a_rule_that_there_is_not() -> None:
    assert run("--rule", "AZ000").exit_code == 2


def test_the_page_has_every_rule() -> None:
    """In their order, with the words of the command."""
    table = section(read("docs/lint.md"), "## The rules")

    assert [cell.strip("`") for cell in first_cells(table)] == [*BY_ID]
    for rule in BY_ID.values():
        assert f"| `{rule.id}` | {rule.severity} | {rule.title} | {rule.do} |" in table
