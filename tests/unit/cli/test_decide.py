"""`authz decide` with a policy of its own: what it is told of a host, and what becomes of one that does not end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from authz_service.cli.main import authz

LOOP = "count([1 | some x in numbers.range(1, 100000); some y in numbers.range(1, 100000)]) > 0"


def decide(folder: Path, line: str, *words: str) -> Result:
    """By a policy of one line."""
    policies = folder / "policies"
    policies.mkdir()
    (policies / "a.rego").write_text(
        f"package a\n\nimport rego.v1\n\ndefault allow := false\n\nallow if {{\n\t{line}\n}}\n"
    )
    config = {
        "service": {"name": "orders"},
        "http": {"addr": "127.0.0.1:8443", "tls": {"enabled": False}},
        "proxy": {
            "upstream": "http://127.0.0.1:9000",
            "auth": {"enabled": False},
            "authz": {"enabled": True, "policy_query": "data.a.allow"},
        },
        "policy": {"engine": "opa_embedded", "path": str(policies)},
        "runtime": {"state_dir": str(folder / "state")},
    }
    file = folder / "config.yaml"
    file.write_text(json.dumps(config), encoding="utf-8")
    return CliRunner().invoke(authz, ["decide", "--config", str(file), *words])


@pytest.mark.parametrize(
    ("host", "code"), [("shop.example", 0), ("shop.example.", 0), ("shop.example..", 1), ("shop.example:80", 1)]
)
def test_a_host_is_judged_as_a_live_sidecar_is_told_it(tmp_path: Path, host: str, code: int) -> None:
    """Without one dot at the end of a name, and with its port."""
    ended = decide(tmp_path, 'input.request.host == "shop.example"', "--host", host)

    assert ended.exit_code == code, ended.output


@pytest.mark.ended_by_signal
def test_a_policy_that_does_not_end_is_ended_and_nothing_is_allowed(tmp_path: Path) -> None:
    """When its own budget is used up."""
    ended = decide(tmp_path, LOOP)

    assert ended.exit_code == 2
    assert "the policy does not end within 0.25 s of processor time" in " ".join(ended.output.split())
    assert "allow" not in ended.output.split("input:")[0]
