"""What `authz explain` prints: lines for people, JSON for programs, and an exit code that says the outcome."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result
from tests.unit.docs.pages import ROOT
from tests.unit.mesh.conftest import change

from authz_service.cli.explain import ExplainDocument
from authz_service.cli.main import authz

EXAMPLE = str(ROOT / "examples/three_zones")
ORDER = ("POST", "/api/v1/orders", "--as")


def explained(*words: str) -> Result:
    return CliRunner().invoke(authz, ["explain", EXAMPLE, *words])


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ((*ORDER, "john"), 0, "allowed it reaches order-service"),
        ((*ORDER, "victor"), 1, "refused by order-service: 403 policy_denied"),
        ((*ORDER, "nobody"), 2, "nobody is called nobody"),
        (("GET", "/data/inventory/1", "--from", "order-service"), 0, "allowed it reaches data-service"),
        (("GET", "/nothing"), 1, "refused by api-gateway: 404 route_not_found"),
    ],
)
def test_the_exit_code_says_the_outcome(words: tuple[str, ...], code: int, says: str) -> None:
    """0 reached, 1 refused, 2 not to be told."""
    result = explained(*words)

    assert (result.exit_code, says in result.output) == (code, True), result.output


def test_a_service_without_a_token_is_not_unknown(tmp_path: Path) -> None:
    """Its realm refuses the scope, and the line is said; another name stays unknown."""
    shutil.copytree(EXAMPLE, tmp_path / "mesh")
    change(tmp_path / "mesh/order-service/config.yaml", '"data-service:write"]', '"data-service:delete"]')
    asked = ("explain", str(tmp_path / "mesh"), "GET", "/orders/1", "--at", "data-service", "--as")

    said = [CliRunner().invoke(authz, [*asked, name]) for name in ("order-service", "orders")]

    assert [one.exit_code for one in said] == [2, 2]
    why = "order-service gets no token: it may not ask for data-service:delete (realms/services-realm.json:"
    assert why in " ".join(said[0].output.split())
    assert "nobody is called orders" in said[1].output


def test_the_refusal_says_where_and_what_to_do() -> None:
    """With the line of the policy and the values that were compared there."""
    lines = explained(*ORDER, "victor").output.splitlines()

    assert '           with "orders:create", ["customer"]' in lines
    assert lines[-2:] == [
        "  where order-service/policies/order.rego:33",
        "  do    give victor the role orders:create in realms/users-realm.json, or change data.order.has_permission",
    ]


def test_a_default_is_not_shown_as_a_rule_that_holds() -> None:
    """It holds because nothing else does; a rule that does is beside it."""
    lines = [line.strip() for line in explained(*ORDER, "victor").output.splitlines()]

    assert "· data.order.allow: its default (order.rego:6:1)" in lines
    assert not any(line.startswith("✓ data.order.allow ") for line in lines)
    assert any(line.startswith("✓ data.order.valid_user_token ") for line in lines)


@pytest.mark.parametrize("name", ["john", "victor"])
def test_the_json_is_as_its_schema_says(name: str) -> None:
    """Every member, and none beside them."""
    text = explained(*ORDER, name, "--format", "json").stdout

    report = msgspec.json.decode(text, type=ExplainDocument)
    assert json.loads(msgspec.json.encode(report)) == json.loads(text)
    assert report.outcome == ("allowed" if name == "john" else "refused")
    schema = json.loads(CliRunner().invoke(authz, ["schema", "explain"]).output)
    assert schema["$ref"] == "#/$defs/ExplainDocument"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--as", "john", "--claims", str(Path(EXAMPLE) / "realms/users-realm.json")), "give one of them"),
        (("--token", "x"), "needs --jwks"),
        (("--from", "order-service", "--cert", str(Path(EXAMPLE) / "README.md")), "leave --cert out"),
    ],
)
def test_options_that_contradict_each_other_are_refused(words: tuple[str, ...], says: str) -> None:
    result = explained("GET", "/api/v1/orders/1", *words)

    assert result.exit_code == 2
    assert says in result.output
