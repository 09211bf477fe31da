"""A sidecar of a mesh, built to be asked: what keeps it from starting there does so here, and nothing else does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from authz_service.domain.rules import PolicySource
from authz_service.errors import PolicyProblems
from authz_service.mesh.door import policy_source
from authz_service.mesh.load import load_mesh
from authz_service.policy.vetting.checks import compiled

POLICY = 'package pdp\n\nimport rego.v1\n\ndefault allow := false\n\nallow if input.subject.id == "alice"\n'


def source(folder: Path, protocol: str) -> PolicySource:
    """Of a sidecar that is asked by this protocol alone."""
    (folder / "pdp/policies").mkdir(parents=True)
    (folder / "pdp/policies/pdp.rego").write_text(POLICY)
    listener = {"protocol": protocol, "addr": "127.0.0.1:9195"} | (
        {"url": "https://pdp.example.com"} if protocol == "authzen" else {}
    )
    config = {
        "service": {"name": "pdp"},
        "proxy": {
            "mode": "decision_only",
            "asked_by": {"applications": listener},
            "auth": {"enabled": False},
            "authz": {"policy_query": "data.pdp.allow"},
        },
        "policy": {"path": "policies"},
        "runtime": {"state_dir": "state"},
    }
    (folder / "pdp/config.yaml").write_text(json.dumps(config))
    mesh = load_mesh(folder)
    assert mesh.problems == ()
    found = policy_source(mesh.sidecars["pdp"])
    assert found is not None
    return found


def test_a_policy_for_authzen_may_read_what_is_asked_there(tmp_path: Path) -> None:
    assert compiled(source(tmp_path, "authzen")).modules


def test_a_policy_for_requests_may_not(tmp_path: Path) -> None:
    """There is no subject in a question about a request."""
    with pytest.raises(PolicyProblems, match="subject"):
        compiled(source(tmp_path, "ext_authz_http"))
