"""The commands as a person runs them: exit codes, what they print, and that nobody sees a traceback or a secret."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from tests.support.live import Live
from tests.support.patience import PATIENCE

from authz_devkit.certs.authority import server_request
from authz_devkit.certs.tree import leaf_cert, leaf_key, load_authority
from authz_devkit.demo.caller import POD
from authz_devkit.demo.mesh import EXAMPLE, PODS, SECRETS, Pod
from authz_service.envoy.decision_cache import NONE, OVERRIDE

STEPS = ["handshake", "path", "certificate", "form", "token", "policy"]
ORDER = EXAMPLE / "order-service" / "config.yaml"
Ended = subprocess.CompletedProcess[str]


@pytest.fixture
def environment(live: Live) -> dict[str, str]:
    """What the order service's configuration reads."""
    return {**os.environ, **live.mesh.sidecar_environment(POD["order"])}


def authz(environment: Mapping[str, str], *words: object) -> Ended:
    ended = run("authz_service.cli.main", environment, *words)
    assert "Traceback" not in ended.stderr + ended.stdout
    assert not [secret for secret in SECRETS.values() if secret in ended.stdout + ended.stderr]
    return ended


def run(module: str, environment: Mapping[str, str], *words: object) -> Ended:
    command = [sys.executable, "-m", module, *map(str, words)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)


@pytest.mark.parametrize("pod", PODS, ids=lambda pod: pod.name)
def test_check_accepts_the_example(live: Live, pod: Pod) -> None:
    """Each of the four configurations, with its policies and certificates."""
    config = EXAMPLE / pod.folder / "config.yaml"
    ended = authz({**os.environ, **live.mesh.sidecar_environment(pod)}, "check", "--config", config)

    assert (ended.returncode, ended.stdout.splitlines()[-1]) == (0, "usable")
    assert ended.stdout.count("✓") == 7


def test_check_names_everything_that_is_wrong_in_a_configuration(tmp_path: Path, environment: dict[str, str]) -> None:
    """Each with file and line, what was found and what to do; the nearest known key for one that is unknown."""
    text = ORDER.read_text().replace("client_auth:", "client_autth:")
    text = text.replace('audience: "order-service"', "audience: []").replace("60s", "soon")
    file = tmp_path / "config.yaml"
    file.write_text(text)
    ended = authz(environment, "check", "--config", file)

    assert ended.returncode == 1
    for key in ("client_autth", "audience", "soon"):
        line = next(number for number, line in enumerate(text.splitlines(), 1) if key in line)
        assert f"{file}:{line}" in ended.stdout
    assert "client_auth" in ended.stdout
    assert ended.stdout.splitlines()[-1].endswith("to mend")


@pytest.mark.parametrize("there", [True, False])
def test_check_and_run_say_that_the_audit_file_has_no_folder(
    tmp_path: Path, live: Live, environment: dict[str, str], *, there: bool
) -> None:
    """One line with file and line, before anything is started; beside the mesh, if that runs."""
    folder = tmp_path if there else tmp_path / "absent"
    apart = {"LOOPBACK_IP": live.free_address(), "STATE_DIR": str(tmp_path / "state")}
    changed = {**environment, **apart, "AUDIT_PATH": str(folder / "audit.jsonl")}
    line = next(number for number, text in enumerate(ORDER.read_text().splitlines(), 1) if "AUDIT_PATH" in text)
    said = f"{ORDER}:{line}: audit.path: {folder / 'audit.jsonl'} cannot be written"
    checked = authz(changed, "check", "--config", ORDER)

    assert (checked.returncode, said in checked.stdout) == (0 if there else 1, not there)
    if not there:
        ran = authz(changed, "run", "--config", ORDER)
        assert ran.returncode == 1
        assert ran.stderr.splitlines()[0].startswith(said)
        assert ran.stderr.splitlines()[1:] == ["1 problem."]


@pytest.mark.parametrize(("other", "advised"), [("zone3/api-gateway", True), ("zone3/web-gateway", False)])
def test_check_advises_bindings_for_spiffe_ids_that_end_alike(
    tmp_path: Path, environment: dict[str, str], other: str, *, advised: bool
) -> None:
    """No refusal: it may be meant."""
    client = '"CN=api-gateway-client,O=MyOrg"'
    text = ORDER.read_text()
    assert client in text
    ids = f'"spiffe://mesh/zone1/api-gateway"\n      - "spiffe://mesh/{other}"'
    file = tmp_path / "config.yaml"
    file.write_text(text.replace(client, ids))
    ended = authz(environment, "check", "--config", file)

    assert (ended.returncode, ended.stdout.splitlines()[-1]) == (0, "usable")
    assert ("proxy.mtls.bindings" in ended.stdout) is advised


def test_decide_says_that_its_token_file_cannot_be_read(tmp_path: Path, environment: dict[str, str]) -> None:
    """The option, the file and why."""
    ended = authz(environment, "decide", "--config", ORDER, "--token", f"@{tmp_path / 'absent'}")

    assert ended.returncode == 2
    assert f"--token: {tmp_path / 'absent'} cannot be read: No such file or directory" in ended.stderr


def test_check_needs_every_variable(environment: dict[str, str]) -> None:
    """A secret that is not there is a problem with a name, not an empty secret."""
    del environment["ORDER_SERVICE_CLIENT_SECRET"]
    ended = authz(environment, "check", "--config", ORDER)

    assert ended.returncode == 1
    assert "ORDER_SERVICE_CLIENT_SECRET" in ended.stdout


@pytest.mark.parametrize("wrong", ["expired", "pair", "bundle", "missing"])
def test_check_looks_into_certificates(live: Live, tmp_path: Path, environment: dict[str, str], wrong: str) -> None:
    """As `run` would refuse them."""
    file = tmp_path / "config.yaml"
    own = live.mesh.certs / "order-service"
    names = {
        "expired": ("${CERTS_DIR:-/etc/certs}/order-service/server", str(tmp_path / "expired")),
        "pair": ("${CERTS_DIR:-/etc/certs}/order-service/server.key", str(own / "client-zone3.key")),
        "bundle": ("${CERTS_DIR:-/etc/certs}/ca/zone2-ca.crt", str(own / "server.key")),
        "missing": ("${CERTS_DIR:-/etc/certs}/order-service/client-zone3.crt", "/nowhere/client.crt"),
    }
    good, bad = names[wrong]
    file.write_text(ORDER.read_text().replace(good, bad))
    past = replace(
        server_request("order-service.zone2.local", now=datetime.now(UTC) - timedelta(days=9)),
        not_after=datetime.now(UTC) - timedelta(days=1),
    )
    pair = load_authority(live.mesh.certs, "zone2").issue(past)
    leaf_cert(tmp_path, "expired").write_bytes(pair.cert_pem)
    leaf_key(tmp_path, "expired").write_bytes(pair.key_pem)
    leaf_key(tmp_path, "expired").chmod(0o600)
    ended = authz(environment, "check", "--config", file)

    assert ended.returncode == 1
    assert "✗ certificates" in ended.stdout
    assert bad.removesuffix("server") in ended.stdout
    assert "✓ policies" in ended.stdout


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        ("package order\nallow if {", "order.rego:"),
        ('package order\nimport rego.v1\nallow if http.send({"method": "get", "url": "http://x"})', "http.send"),
        ("package other\nallow := true", "data.order.allow"),
        ("package order\nimport rego.v1\nallow if no_such(1)", "no_such"),
    ],
)
def test_check_looks_into_policies(tmp_path: Path, environment: dict[str, str], policy: str, told: str) -> None:
    """What would fail on a request is told now, with file and line."""
    (tmp_path / "order.rego").write_text(policy)
    ended = authz(environment | {"POLICIES_DIR": str(tmp_path)}, "check", "--config", ORDER)

    assert ended.returncode == 1
    assert "✗ policies" in ended.stdout
    assert told in ended.stdout


def test_render_prints_what_envoy_gets(environment: dict[str, str]) -> None:
    """One YAML document, without a secret; what cannot be loaded is not rendered."""
    ended = authz(environment, "render", "--config", ORDER)
    files = yaml.safe_load(ended.stdout)

    assert ended.returncode == 0
    assert {resource["name"] for resource in files["xds/lds.json"]["resources"]} == {"ingress", "egress"}
    assert "PRIVATE KEY" not in ended.stdout
    del environment["ORDER_SERVICE_CLIENT_SECRET"]
    assert (authz(environment, "render", "--config", ORDER).returncode, authz(environment, "render").returncode) == (
        1,
        1,
    )


def test_check_says_why_envoy_repeats_nothing(environment: dict[str, str]) -> None:
    """It is usable all the same; a library that is not there is not."""
    without = authz(environment | {OVERRIDE: NONE}, "check", "--config", ORDER)
    absent = authz(environment | {OVERRIDE: "/no/such.so"}, "check", "--config", ORDER)

    assert f"✓ envoy: without a decision cache: {OVERRIDE} is {NONE}" in without.stdout
    assert without.returncode == 0
    assert f"{OVERRIDE}: /no/such.so is no file; name one, or {NONE}" in absent.stdout
    assert absent.returncode == 1


@pytest.mark.parametrize(
    ("user", "certificate", "request_line", "verdict"),
    [
        ("john", "gateway/client-zone2", ("POST", "/orders"), "allow allowed"),
        ("victor", "gateway/client-zone2", ("POST", "/orders"), "✗ policy: policy_denied"),
        ("john", "order-service/client-zone3", ("POST", "/orders"), "✗ handshake: no authority of client_ca_file"),
        ("john", None, ("POST", "/orders"), "✗ handshake: client_cert_missing"),
        (None, "gateway/client-zone2", ("POST", "/orders"), "✗ token: token_missing"),
        ("john", "gateway/client-zone2", ("GET", "/orders//x"), "✗ form: path_refused"),
        ("john", "gateway/client-zone2", ("GET", "/orders/%2F"), "✗ path: path_refused"),
        ("john", "gateway/client-zone2", ("TRACE", "/orders"), "✗ form: method_not_allowed"),
    ],
)
def test_decide_shows_every_step(
    live: Live, environment: dict[str, str], tmp_path: Path, *, user: str | None, certificate: str | None,
    request_line: tuple[str, str], verdict: str,
) -> None:  # fmt: skip
    """Up to the one that refuses; the identity provider's keys are fetched, and no token is printed."""
    words = ["--config", str(ORDER), "--method", request_line[0], "--path", request_line[1]]
    if certificate is not None:
        words += ["--cert", str(leaf_cert(live.mesh.certs, certificate))]
    token = live.user(user) if user else ""
    if user:
        (tmp_path / "token").write_text(token)
        words += ["--token", f"@{tmp_path}/token"]
    ended = authz(environment, "decide", *words)

    allowed = verdict.startswith("allow")
    assert ended.returncode == (0 if allowed else 1), ended.stderr
    assert verdict in ended.stdout
    steps = re.findall(r"^([✓✗]) (\w+):", ended.stdout, re.MULTILINE)
    assert [name for _, name in steps] == STEPS[: len(steps)]
    assert [mark for mark, _ in steps] == ["✓"] * (len(steps) - 1) + (["✓"] if allowed else ["✗"])
    assert not token or token not in ended.stdout


def test_schema_is_a_json_schema() -> None:
    """For editors."""
    schema = json.loads(authz(os.environ, "schema").stdout)

    assert {"http", "jwt", "proxy", "egress", "policy", "audit"} <= set(schema["properties"])
    assert schema["$schema"].startswith("https://json-schema.org/")


def test_certs_makes_shows_and_changes_a_tree(tmp_path: Path) -> None:
    """`authz-dev certs`; what does not exist cannot be replaced."""

    def certs(*words: object) -> Ended:
        return run("authz_devkit.cli", os.environ, "certs", *words)

    tree = tmp_path / "certs"
    assert certs(tree).returncode == 0
    before = leaf_cert(tree, "gateway/server").read_text()
    assert certs("rotate", tree, "--leaf", "gateway/server").returncode == 0
    assert leaf_cert(tree, "gateway/server").read_text() != before
    assert "gateway/server" in certs("show", tree).stdout
    refused = certs("rotate", tree, "--leaf", "nobody/server")
    assert refused.returncode != 0
    assert "Traceback" not in refused.stderr
