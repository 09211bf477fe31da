"""`authz replay` as a person runs it: what it prints, and its exit codes."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result
from tests.support.decision_events import event, request, written
from tests.support.meshes import EXAMPLE, example_mesh

from authz_service.cli.main import authz
from authz_service.cli.replay import ReplayDocument

POST: dict[str, Any] = {"input__request": request("POST", "orders")}


def replay(*words: object, given: str | None = None) -> Result:
    return CliRunner().invoke(authz, ["replay", *map(str, words)], input=given)


@pytest.fixture
def decisions(tmp_path: Path) -> Path:
    """Two that the example's policies decide alike, and one of each flip."""
    good = event(roles=("orders:create",), **POST)
    denied = event("policy_denied", **POST)
    gained = event("policy_denied", custom__correlation_id="req-gained")
    lost = event(custom__correlation_id="req-lost", **POST)
    return written(tmp_path / "decisions.jsonl", good, denied, gained, lost, event("token_expired"))


def test_a_folder_a_configuration_or_a_mesh_will_do(decisions: Path, tmp_path: Path) -> None:
    """All of the same policies: the same verdicts."""
    mesh = example_mesh(tmp_path / "mesh")
    places = (mesh, mesh / "order-service" / "config.yaml", EXAMPLE / "order-service" / "policies")
    said = [replay(place, decisions) for place in places]

    assert {ended.output for ended in said} == {said[0].output}
    assert said[0].exit_code == 1
    assert said[0].output.splitlines() == [
        "5 recorded decisions, 2026-11-18T10:00:00.000Z to 2026-11-18T10:00:00.000Z",
        "  4 decided anew: 2 alike, 1 gained, 1 lost",
        "  1 passed over: decided before a policy was asked",
        "",
        "+ order-service: policy_denied → allowed",
        "  by data.order.one_item (order.rego:44)",
        "    1 john by api-gateway-client (as GET /orders/1, req-gained)",
        "",
        "- order-service: allowed → policy_denied",
        '  stopped in data.order.has_permission (order.rego:33): "orders:create" in',
        "    input.token.realm_access.roles",
        "    1 john by api-gateway-client (as POST /orders, req-lost)",
    ]


@pytest.mark.parametrize(
    ("fail_on", "kept", "code"),
    [
        ("gained", [0, 1, 2], 1),
        ("gained", [0, 1, 3], 0),
        ("lost", [0, 1, 3], 1),
        ("lost", [0, 1, 2], 0),
        ("any", [3], 1),
        ("any", [0, 1], 0),
        ("nothing", [0, 1, 2, 3], 0),
        ("any", [4], 2),
    ],
)
def test_the_exit_code_is_of_the_flips_that_were_named(
    decisions: Path, fail_on: str, kept: list[int], code: int
) -> None:
    lines = decisions.read_text().splitlines(keepends=True)
    decisions.write_text("".join(lines[at] for at in kept))

    assert replay(EXAMPLE / "order-service" / "policies", decisions, "--fail-on", fail_on).exit_code == code


def test_json_is_as_its_schema_says(decisions: Path) -> None:
    ended = replay(EXAMPLE / "order-service" / "policies", decisions, "--format", "json")
    document = msgspec.json.decode(ended.stdout, type=ReplayDocument)

    assert json.loads(msgspec.json.encode(document)) == json.loads(ended.stdout)
    assert (document.gained, document.lost, document.alike, document.judged, document.records) == (1, 1, 2, 4, 5)


def test_what_a_service_received_will_do(decisions: Path, tmp_path: Path) -> None:
    """A packed array in a POST, standard input; what is no event is counted."""
    events = [json.loads(line) for line in decisions.read_text().splitlines()]
    packed = tmp_path / "received.gz"
    packed.write_bytes(gzip.compress(json.dumps(events).encode()))
    policies = EXAMPLE / "order-service" / "policies"

    assert "4 decided anew" in replay(policies, packed).output
    assert "4 decided anew" in replay(policies, "-", given=decisions.read_text()).output
    noise = replay(policies, "-", given='no event\n["x"]\n{"labels": 7}\n' + json.dumps(event()))
    assert (noise.exit_code, "3 passed over: no event of a decision log" in noise.output) == (0, True)


@pytest.mark.parametrize(
    ("policy", "words", "said"),
    [
        ("package order\n\nallow if input.x ==\n", (), "order.rego:4"),
        ("package order\n\nallow := true\n", ("--query", "data.order.alow"), "did you mean"),
        ("package stock\n\nallow := true\n", (), "none of these records could be decided anew"),
    ],
)
def test_what_cannot_decide_ends_with_2(
    decisions: Path, tmp_path: Path, policy: str, words: tuple[str, ...], said: str
) -> None:
    """A policy that is broken, a query of no rule, a folder of another service's."""
    (tmp_path / "order.rego").write_text(policy)
    ended = replay(tmp_path, decisions, *words)

    assert (ended.exit_code, said in ended.stderr) == (2, True)
