"""The containers against the drawing: who is in which network, what is published, and as whom everything runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.networks import NETWORKS

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "deploy" / "compose"
COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
# The drawing's names, of those who have networks of their own. PostgreSQL is the data service's.
DRAWN = {
    "gateway": "api-gateway",
    "order": "order-service",
    "payment": "payment-service",
    "data": "data-service",
    "keycloak": "identity-provider",
}
SIDECARS = {"order-sidecar": "order", "payment-sidecar": "payment", "data-sidecar": "data"}
OURS = {"authz-sidecar": "Dockerfile", "authz-demo": "demo.Dockerfile"}


def networks(name: str) -> set[str]:
    return set(SERVICES[name].get("networks", ()))


def test_the_networks_are_the_drawings() -> None:
    assert set(COMPOSE["networks"]) == set(NETWORKS)
    for name, drawn in DRAWN.items():
        assert networks(name) == {network for network, members in NETWORKS.items() if drawn in members}, name
    assert networks("postgres") == {"zone3"}
    assert set(SERVICES) == {*DRAWN, *SIDECARS, "postgres"}


def test_a_sidecar_lives_in_the_network_of_its_service() -> None:
    for sidecar, service in SIDECARS.items():
        assert SERVICES[sidecar]["network_mode"] == f"service:{service}"
        assert "networks" not in SERVICES[sidecar]


def test_networks_lead_nowhere_else() -> None:
    """All but the first and the last have no way out; in the last, nobody reaches his neighbour."""
    assert {name for name, made in COMPOSE["networks"].items() if not made.get("internal")} == {"zone1", "identity"}
    options = COMPOSE["networks"]["identity"]["driver_opts"]
    assert options == {"com.docker.network.bridge.enable_icc": "false"}


def test_only_the_gateway_is_published() -> None:
    """Keycloak is, too, on the identity network's own address: its members have no other way to it."""
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}

    gateway = COMPOSE["networks"]["identity"]["ipam"]["config"][0]["gateway"]
    assert published == {"gateway": ["${GATEWAY_PORT:-8443}:8443"], "keycloak": [f"{gateway}:9443:8443"]}
    assert SERVICES["gateway"]["environment"]["IDP_IP"] == gateway
    assert SERVICES["gateway"]["environment"]["IDP_URL"].endswith(":9443")


def test_addresses_lie_in_their_networks_and_are_the_ones_that_callers_use() -> None:
    for name in (*DRAWN, "postgres"):
        for network, place in SERVICES[name]["networks"].items():
            subnet = COMPOSE["networks"][network]["ipam"]["config"][0]["subnet"]
            assert place["ipv4_address"].rpartition(".")[0] == subnet.rpartition(".")[0]
    told = SERVICES["gateway"]["environment"]
    assert told["ORDER_SERVICE_IP"] == SERVICES["order"]["networks"]["zone1-zone2"]["ipv4_address"]
    assert told["PAYMENT_SERVICE_IP"] == SERVICES["payment"]["networks"]["zone1-zone2"]["ipv4_address"]
    assert told["DATA_SERVICE_IP"] == SERVICES["data"]["networks"]["zone2-zone3"]["ipv4_address"]
    assert SERVICES["postgres"]["networks"]["zone3"]["ipv4_address"] in SERVICES["data"]["entrypoint"][2]


@pytest.mark.parametrize("name", SERVICES)
def test_everything_runs_with_as_little_as_it_can(name: str) -> None:
    service = SERVICES[name]

    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service["user"].startswith(("0", "root"))
    assert service["read_only"] is (name != "keycloak")
    assert not {"privileged", "cap_add", "pid", "ipc", "devices"} & set(service)
    assert all(mount.endswith(":ro") for mount in service.get("volumes", ()) if mount.startswith("."))
    if service["image"] == "authz-sidecar":
        assert service["tmpfs"] == ["/run/authz:mode=0700,uid=${RUN_AS_UID:?run prepare.sh first}"]


@pytest.mark.parametrize("name", SERVICES)
def test_secrets_are_files_and_nobody_gets_anothers(name: str) -> None:
    environment = SERVICES[name].get("environment", {})

    assert not [key for key in environment if re.search("SECRET|PASSWORD$|KEY", key)]
    given = {"order-sidecar": "order-service", "payment-sidecar": "payment-service", "keycloak": "keycloak-admin"}
    wanted = given.get(name) or ("postgres" if name in {"data", "postgres"} else None)
    assert SERVICES[name].get("secrets", []) == ([wanted] if wanted else [])
    mounted = [mount.split(":")[0] for mount in SERVICES[name].get("volumes", ())]
    assert not [path for path in mounted if path.rstrip("/").endswith(("certs", "certs/ca", "secrets"))]  # CA keys


def test_what_is_mounted_and_built_from_is_there() -> None:
    for service in SERVICES.values():
        for mount in service.get("volumes", ()):
            source = mount.split(":")[0]
            assert not source.startswith("../../") or (FOLDER / source).is_dir()
        if service["image"] in OURS:
            assert service["build"]["dockerfile"] == f"deploy/compose/{OURS[service['image']]}"
            assert (FOLDER / service["build"]["context"]).resolve() == ROOT


@pytest.mark.parametrize("name", OURS.values())
def test_an_image_is_built_of_pinned_packages_and_runs_as_nobody(name: str) -> None:
    text = (FOLDER / name).read_text()
    lines = text.replace("\\\n", " ").splitlines()

    assert text.count("FROM ${BASE}") == 2
    assert [line for line in lines if line.startswith("USER")] == ["USER 65532:65532"]
    for command in re.findall(r"pip install ([^&\n]*)", "\n".join(lines)):
        assert "--require-hashes" in command or "--no-index" in command
    allowed = (ROOT / ".dockerignore").read_text().splitlines()
    for line in lines:
        if line.startswith("COPY ") and "--from" not in line:
            for source in line.split()[1:-1]:
                assert (ROOT / source).exists(), source
                assert f"!{source.split('/')[0]}" in allowed, source


def test_the_sidecars_image_has_no_development_kit_and_a_health_check() -> None:
    text = (FOLDER / "Dockerfile").read_text()

    copied = [line for line in text.splitlines() if line.startswith("COPY")]
    assert not [line for line in copied if "devkit" in line or line.split()[1] in {".", "src/"}]
    assert "HEALTHCHECK" in text
    assert "/livez" in text


@pytest.mark.parametrize(("name", "package"), [("Dockerfile", "authz_service"), ("demo.Dockerfile", "authz_devkit")])
def test_an_image_has_every_package_of_ours_that_its_own_imports(name: str, package: str) -> None:
    """And no other."""
    sources = (ROOT / "src" / package).rglob("*.py")
    imported = {name for file in sources for name in re.findall(r"^from (authz_\w+)", file.read_text(), re.MULTILINE)}
    copied = set(re.findall(r"^COPY src/(authz_\w+)/", (FOLDER / name).read_text(), re.MULTILINE))

    assert copied == imported
