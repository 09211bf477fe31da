"""`authz check` and `authz run` read the same files in the same way, in whatever environment. Without a mesh."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from tests.support.certificates import Authority, private_pem
from tests.support.patience import PATIENCE

Ended = subprocess.CompletedProcess[str]


def authz(*words: object, environment: Mapping[str, str] = os.environ) -> Ended:
    command = [sys.executable, "-m", "authz_service.cli.main", *map(str, words)]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert "Traceback" not in ended.stderr + ended.stdout
    return ended


ASSERTION = {
    "type": "oauth2_client_credentials",
    "token_url": "https://idp.example.com/token",
    "client_id": "x",
    "client_auth": "private_key_jwt",
}


@pytest.mark.parametrize("wrong", ["encrypted", "Ed25519", "no CA", "half a CA", "store's CA"])
def test_check_and_run_read_the_files_of_our_own_calls_alike(tmp_path: Path, wrong: str) -> None:
    """What run refuses, check does not call usable; without it both go on."""
    key = ec.generate_private_key(ec.SECP256R1())
    authority = Authority.living("identity-ca", time.time())
    files = {
        "key": private_pem(key, b"pass") if wrong == "encrypted" else private_pem(key),
        "ca": authority.pem + (authority.pem[:-40] if wrong == "half a CA" else b""),
    }
    if wrong == "Ed25519":
        files["key"] = private_pem(ed25519.Ed25519PrivateKey.generate())
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    ca = tmp_path / ("nowhere" if wrong == "no CA" else "ca")
    auth = {**ASSERTION, "client_key_file": str(tmp_path / "key"), "ca_file": str(ca)}
    egress: dict[str, object] = {"targets": {"a": {"url": "http://127.0.0.1:9000", "auth": auth}}}
    if wrong == "store's CA":
        url, key_text = "rediss://127.0.0.1:1/0", "k" * 32
        store = {"type": "redis", "url": url, "encryption_key": key_text, "ca_file": str(tmp_path / "nowhere")}
        egress["token_store"] = store
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps({"egress": egress, "runtime": {"state_dir": str(tmp_path / "state")}}))

    checked = authz("check", "--config", config)
    ran = authz("run", "--config", config)

    assert (checked.returncode, ran.returncode) == (1, 1)
    assert "✗ keys and authorities of our own calls" in checked.stdout
    named = str(tmp_path / {"encrypted": "key", "Ed25519": "key", "half a CA": "ca"}.get(wrong, "nowhere"))
    assert named in checked.stdout
    assert named in ran.stdout + ran.stderr


@pytest.mark.parametrize(
    "form", ["${SECRET:?must be set}", "${SECRET-none}", "${env:SECRET}", "${SECRET", "${}", "${1A}"]
)
def test_a_variable_of_another_form_is_a_finding(tmp_path: Path, form: str) -> None:
    """With the real environment: a dict in a unit test is kinder to a name that is none."""
    auth = {
        "type": "oauth2_client_credentials",
        "token_url": "https://idp.example.com/t",
        "client_id": "x",
        "client_secret": form,
    }
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps({"egress": {"targets": {"a": {"url": "http://127.0.0.1:9000", "auth": auth}}}}))

    ended = authz("check", "--config", config)

    assert ended.returncode == 1
    assert "egress.targets.a.auth.client_secret: a '${' that is not ${NAME} or ${NAME:-default}" in ended.stdout
    config.write_text(config.read_text().replace(form, "${SECRET:-none}"))
    assert "✓ configuration" in authz("check", "--config", config).stdout


@pytest.mark.parametrize("encoding", ["latin-1", "koi8-r", "ascii", "utf-8"])
def test_every_locale_can_show_what_is_found(tmp_path: Path, encoding: str) -> None:
    """What a terminal's letters cannot say is said by others."""
    config = tmp_path / "config.yaml"
    egress = {"targets": {"a": {"url": "http://127.0.0.1:9000"}}}
    config.write_text(json.dumps({"service": {"name": "a"}, "egress": egress}))

    ended = authz("check", "--config", config, environment={**os.environ, "PYTHONIOENCODING": encoding})

    assert ended.returncode == 0, ended.stderr
    assert "usable" in ended.stdout


def test_decide_tells_a_refusal_from_a_question_that_it_cannot_ask(tmp_path: Path) -> None:
    """1 is the gate's no, 2 is ours; the other commands have one way to fail."""
    config = tmp_path / "config.yaml"
    open_door = {"upstream": "http://127.0.0.1:9000", "auth": {"enabled": False}, "authz": {"enabled": False}}
    http = {"addr": "127.0.0.1:8443", "tls": {"enabled": False}}
    routes = [{"path": "/a", "methods": ["GET"]}]
    state = {"state_dir": str(tmp_path / "state")}
    service = {"name": "orders"}
    config.write_text(
        json.dumps({"service": service, "http": http, "proxy": {**open_door, "routes": routes}, "runtime": state})
    )
    assert authz("decide", "--config", config, "--path", "/a").returncode == 0
    assert authz("decide", "--config", config, "--path", "/b").returncode == 1

    config.write_text("{")
    assert authz("decide", "--config", config).returncode == 2
    assert authz("render", "--config", config).returncode == 1


@pytest.mark.parametrize("module", ["authz_service.cli.main", "authz_devkit.cli"])
@pytest.mark.parametrize("option", ["-V", "--version", "-h", "--help"])
def test_version_and_help_have_their_short_names(module: str, option: str) -> None:
    ended = subprocess.run([sys.executable, "-m", module, option], capture_output=True, text=True, check=False)

    assert ended.returncode == 0
    assert ("version" if option in {"-V", "--version"} else "Usage") in ended.stdout


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, ""),
        ({"http": {"addr": ":99999"}}, "http.addr"),
        ({"egress": {"targets": {"a": {"url": "https://a"}}}}, "add tls"),
        ({"typo": {}}, "unknown key"),
    ],
)
def test_a_machine_that_has_nothing_of_it_can_check_a_configuration(
    tmp_path: Path, change: dict[str, object], told: str
) -> None:
    """As CI: no variable, secret, certificate, key or audit folder. On the sidecar's host each of them is needed."""
    nowhere = "/nowhere/at/all"
    secret = {"token_url": "https://idp.example.com/t", "client_id": "x", "type": "oauth2_client_credentials"}
    targets = {
        "a": {"url": "http://127.0.0.1:9001", "auth": {**secret, "client_secret": "${NOT_SET_HERE}"}},
        "b": {"url": "http://127.0.0.1:9002", "auth": {**secret, "client_secret_file": nowhere, "scopes": ["b"]}},
    }
    tls = {"cert_file": nowhere, "key_file": nowhere, "client_ca_file": nowhere, "client_auth": "require"}
    policies = tmp_path / "policies"
    policies.mkdir()
    (policies / "a.rego").write_text("package a\nimport rego.v1\ndefault allow := false\n")
    config: dict[str, object] = {
        "service": {"name": "orders"},
        "http": {"addr": ":8443", "tls": tls},
        "proxy": {
            "upstream": "http://127.0.0.1:9000",
            "auth": {"enabled": False},
            "authz": {"policy_query": "data.a.allow"},
            "mtls": {"allowed_clients": ["CN=a"]},
        },
        "egress": {"targets": targets, "routes": [{"path_prefix": "/a", "target": "a"}]},
        "policy": {"path": str(policies)},
        "audit": {"path": f"{nowhere}/audit.jsonl"},
    }
    file = tmp_path / "config.yaml"
    file.write_text(json.dumps(config | change))

    ended = authz("check", "--config", file, "--anywhere")
    assert (ended.returncode, told in ended.stdout) == (1 if told else 0, True), ended.stdout
    if not told:
        assert "not looked at: variables and secret files, certificates" in ended.stdout
        here = authz("check", "--config", file)
        assert here.returncode == 1
        assert "NOT_SET_HERE is not set" in here.stdout
