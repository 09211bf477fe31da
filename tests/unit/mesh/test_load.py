"""A mesh is read from files alone: who reaches whom, by which names, and whose tokens there are."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from authz_service.errors import ConfigProblems
from authz_service.mesh.load import load_mesh
from authz_service.mesh.model import Mesh

EXAMPLE = Path(__file__).parents[3] / "examples/three_zones"


@pytest.fixture(scope="module")
def example() -> Mesh:
    return load_mesh(EXAMPLE)


def test_the_drawn_arrows_are_found(example: Mesh) -> None:
    """By the names in the URLs, and the routes that lead there. Without a secret and without a certificate."""
    arrows = {
        (call.source.name, call.base, call.arrives_as, call.destination.name)
        for call in example.calls
        if call.destination is not None
    }

    assert arrows == {
        ("api-gateway", "/api/v1/orders", "/orders", "order-service"),
        ("api-gateway", "/api/v1/payments", "/payments", "payment-service"),
        ("order-service", "/data", "/", "data-service"),
        ("payment-service", "/data", "/", "data-service"),
    }
    assert [one.name for one in example.entries()] == ["api-gateway"]
    assert example.problems == ()


def test_each_kind_of_token_is_found_once(example: Mesh) -> None:
    """Users who differ in their names only are one; services have the scopes that their sidecars ask for."""
    found = {one.name: one for one in example.principals}

    assert found["john"].alike == ("john", "mary")
    assert found["victor"].alike == ("victor",)
    assert found["order-service"].claims["aud"] == "data-service"
    assert "aud" not in found["api-gateway"].claims
    assert found["john"].spot.file == "realms/users-realm.json"


def test_each_place_has_its_line(example: Mesh) -> None:
    sidecar = example.sidecars["order-service"]
    spot = sidecar.spot("jwt", "issuers", 0, "audience")

    assert spot.file == "order-service/config.yaml"
    assert "audience" in (EXAMPLE / spot.file).read_text().splitlines()[spot.line - 1]


def test_mesh_yaml_says_what_the_files_do_not(tmp_path: Path) -> None:
    """Names, places of files, and principals of a provider that has no realm file."""
    shutil.copytree(EXAMPLE / "order-service", tmp_path / "orders")
    (tmp_path / "mesh.yaml").write_text(
        "services: {order-service: orders/config.yaml}\n"
        'files: {/etc/authz/policies: "{service}/policies"}\n'
        "principals: {reader: {issuer: https://other.example/, claims: {sub: a, aud: order-service}}}\n"
    )

    mesh = load_mesh(tmp_path)

    assert mesh.sidecars["order-service"].find_file(Path("/etc/authz/policies")) == tmp_path / "orders/policies"
    assert [(one.name, one.kind) for one in mesh.principals] == [("reader", "user")]


@pytest.mark.parametrize(
    ("text", "found"),
    [("service: {}\n", "unknown field `service`"), ("services: [\n", "not valid YAML"), ("services: 1\n", "Expected")],
)
def test_a_wrong_mesh_yaml_says_what_is_wrong(tmp_path: Path, text: str, found: str) -> None:
    (tmp_path / "mesh.yaml").write_text(text)

    with pytest.raises(ConfigProblems, match=found):
        load_mesh(tmp_path)


def test_a_folder_without_configurations_is_no_mesh(tmp_path: Path) -> None:
    with pytest.raises(ConfigProblems, match=r"there is no config\.yaml"):
        load_mesh(tmp_path)


def test_what_cannot_be_read_is_said_and_the_rest_is_there(tmp_path: Path) -> None:
    """A broken configuration and a broken realm leave the others."""
    shutil.copytree(EXAMPLE, tmp_path / "mesh")
    (tmp_path / "mesh/gateway/config.yaml").write_text("proxy: [\n")
    (tmp_path / "mesh/realms/users-realm.json").write_text("{")

    mesh = load_mesh(tmp_path / "mesh")

    assert set(mesh.sidecars) == {"order-service", "payment-service", "data-service"}
    assert {problem.file.rpartition("/")[2] for problem in mesh.problems} == {"config.yaml", "users-realm.json"}
