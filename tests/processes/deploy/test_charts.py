"""The three zones as Helm rendered them: who reaches whom, with which certificate, and as whom all runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support import charts

from authz_service.cli.check import check_all
from authz_service.mesh.load import load_mesh
from authz_service.mesh.model import Mesh

SERVICES = [each["metadata"]["name"] for each in charts.objects("Deployment")]
_ZONE = "kubernetes.io/metadata.name"
_NAME = "app.kubernetes.io/name"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Mesh:
    """The rendered configurations, read as one mesh."""
    folder = tmp_path_factory.mktemp("mesh")
    for name in SERVICES:
        charts.write_mounts(name, folder / name)
    return load_mesh(folder)


@pytest.fixture(scope="module")
def arrows(drawn: Mesh) -> set[tuple[str, str]]:
    return {(call.source.config.service.name, call.target_name) for call in drawn.calls}


def test_what_was_rendered_is_of_these_charts() -> None:
    """Else `make test-helm` renders them anew, and says what is different."""
    assert charts.rendered_digest() == charts.sources_digest()


@pytest.mark.parametrize("name", SERVICES)
def test_every_configuration_passes_the_check(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of each pod, with its policies and Envoy, where the cluster's files are not; and a broken one does not."""
    charts.write_mounts(name, tmp_path)
    config = tmp_path / "config" / "config.yaml"
    here = config.read_text().replace("/etc/authz/policies", str(tmp_path / "policies"))
    config.write_text(here)

    assert check_all(config, os.environ, anywhere=True) == 0, capsys.readouterr().out

    config.write_text(here.replace("network_addr", "network_adr"))
    assert check_all(config, os.environ, anywhere=True) == 1


def test_the_network_lets_through_what_the_configurations_draw_and_nothing_else(arrows: set[tuple[str, str]]) -> None:
    """Both ends of each arrow, at 8443; everything else is closed by the policy of the namespace."""
    leaving, arriving = set(), set()
    for policy in charts.objects("NetworkPolicy"):
        name = policy["metadata"]["name"]
        if name == "nothing-else":
            assert policy["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
            continue
        assert policy["spec"]["podSelector"] == {"matchLabels": {_NAME: name}}
        leaving |= {(name, to) for to in _peers(policy["spec"]["egress"], "to")}
        arriving |= {(of, name) for of in _peers(policy["spec"]["ingress"], "from")}
    closed = {policy["metadata"]["namespace"] for policy in charts.objects("NetworkPolicy")}

    assert arrows
    assert leaving - {(name, "kube-dns") for name in SERVICES} == arrows
    assert arriving == arrows
    assert closed == {each["metadata"]["namespace"] for each in charts.objects("Deployment")}


def _peers(rules: list[dict[str, Any]], way: str) -> Iterator[str]:
    for rule in rules:
        for peer in rule.get(way, []):
            labels = peer.get("podSelector", {}).get("matchLabels", {})
            if name := labels.get(_NAME):
                assert [port["port"] for port in rule["ports"]] == [8443]
                where = next(each for each in charts.objects("Deployment") if each["metadata"]["name"] == name)
                assert peer["namespaceSelector"]["matchLabels"][_ZONE] == where["metadata"]["namespace"]
                yield name
            elif labels:
                yield labels["k8s-app"]


def test_only_the_gateway_is_open_to_everybody() -> None:
    """A rule without `from` is everybody."""
    open_to_all = {
        policy["metadata"]["name"]
        for policy in charts.objects("NetworkPolicy")
        for rule in policy["spec"].get("ingress", [])
        if "from" not in rule
    }

    assert open_to_all == {"api-gateway"}


def test_each_arrow_has_a_certificate_of_the_targets_zone(drawn: Mesh, arrows: set[tuple[str, str]]) -> None:
    """Named as the target's allowed_clients have it; and no other client has one."""
    zones = {each.config.service.name: each.config.service.zone for each in drawn.sidecars.values()}
    clients = {}
    for certificate in charts.objects("Certificate"):
        spec = certificate["spec"]
        source, _, target = certificate["metadata"]["name"].partition("-to-")
        if not target and certificate["metadata"]["namespace"] in zones.values() and not spec.get("isCA"):
            assert spec["issuerRef"]["name"] == f"{certificate['metadata']['namespace']}-ca"
            assert spec["usages"] == ["digital signature", "server auth"]
        if target:
            clients[source, target] = spec
            assert spec["usages"] == ["digital signature", "client auth"]
            assert spec["issuerRef"]["name"] == f"{zones[target]}-ca"
            named = f"CN={spec['commonName']},O={spec['subject']['organizations'][0]}"
            (destination,) = (each for each in drawn.sidecars.values() if each.config.service.name == target)
            assert named in {str(client) for client in destination.config.proxy.mtls.allowed_clients}

    assert set(clients) == arrows


@pytest.mark.parametrize("name", SERVICES)
def test_a_pod_runs_with_as_little_as_it_can(name: str) -> None:
    """What Pod Security calls restricted, and a root that is read only."""
    spec = charts.pod(name)

    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] == 65532
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
    for container in (*spec.get("initContainers", []), *spec["containers"]):
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] is True
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"]["memory"]


@pytest.mark.parametrize("name", SERVICES)
def test_the_sidecar_is_there_before_the_app_and_after_it(name: str) -> None:
    """A native sidecar; the gateway, which has no app, is the container itself."""
    spec, sidecar = charts.pod(name), charts.sidecar(name)

    assert sidecar["startupProbe"]["httpGet"]["path"] == sidecar["livenessProbe"]["httpGet"]["path"] == "/livez"
    assert sidecar["readinessProbe"]["httpGet"]["path"] == "/readyz"
    last = spec["containers"][0]
    assert last["lifecycle"]["preStop"] == {"sleep": {"seconds": 5}}
    assert spec["terminationGracePeriodSeconds"] > 5 + 30  # preStop and runtime.drain
    if name == "api-gateway":
        assert last["name"] == "authz"
    else:
        assert [each["restartPolicy"] for each in spec["initContainers"]] == ["Always"]


@pytest.mark.parametrize("name", SERVICES)
def test_every_file_that_a_configuration_names_is_in_the_pod(name: str) -> None:
    """Certificates, keys and secrets, by the paths under which they are mounted; state is in memory."""
    config = yaml.safe_load(charts.find_object("ConfigMap", f"{name}-authz")["data"]["config.yaml"])
    spec = charts.pod(name)
    mounts = {mount["name"]: mount["mountPath"] for mount in charts.sidecar(name)["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    there = set()
    for source in volumes["authz-certificates"]["projected"]["sources"]:
        (kind,) = source.values()
        there |= {f"{mounts['authz-certificates']}/{item['path']}" for item in kind["items"]}
    named = set(_paths(config, "/etc/certs/"))

    assert named <= there
    assert config["runtime"]["state_dir"].startswith(f"{mounts['authz-state']}/")  # the volume itself is root's
    assert volumes["authz-state"]["emptyDir"]["medium"] == "Memory"
    assert ("authz-secrets" in mounts) == bool(set(_paths(config, "/etc/secrets/")))
    assert "client_secret" not in str(config).replace("client_secret_file", "")


def _paths(value: object, below: str) -> Iterator[str]:
    if isinstance(value, dict):
        for each in value.values():
            yield from _paths(each, below)
    elif isinstance(value, list):
        for each in value:
            yield from _paths(each, below)
    elif isinstance(value, str) and value.startswith(below):
        yield value
