"""The README's example works: it is short, it loads, and its policy passes the gate and decides as the page says."""

from __future__ import annotations

from pathlib import Path

import yaml
from tests.unit.docs.pages import read, written_files

from authz_service.config.loader import load_config
from authz_service.domain.refusals import Reason
from authz_service.domain.rules import PolicySource
from authz_service.policy.engine import PolicyEngine
from authz_service.policy.load_gate import check_policies
from authz_service.policy.source import read_policy_folder

README = read("README.md")
CONFIG = written_files(README)["/tmp/hello/config.yaml"]
POLICY = written_files(README)["/tmp/hello/policies/hello.rego"]
SHORT = 25  # lines


def test_the_configuration_is_short() -> None:
    """One screen, with room to spare."""
    assert len(CONFIG.splitlines()) <= SHORT


def _policy(folder: Path, text: str = POLICY) -> PolicySource:
    (folder / "hello.rego").write_text(text, encoding="utf-8")
    return read_policy_folder(folder, yaml.safe_load(CONFIG)["proxy"]["authz"]["policy_query"])


def test_the_configuration_loads(tmp_path: Path) -> None:
    """As it stands on the page."""
    file = tmp_path / "config.yaml"
    file.write_text(CONFIG, encoding="utf-8")

    config = load_config(file, {})

    assert config.service.name == "hello"
    assert config.proxy.mtls.enabled
    assert config.proxy.authz.enabled


def test_the_policy_passes_the_load_gate(tmp_path: Path) -> None:
    """As `authz check` does it."""
    check_policies(_policy(tmp_path))


def test_the_policy_decides_as_the_page_says(tmp_path: Path) -> None:
    """john, a customer, may GET /hello/ and nothing else."""
    engine = PolicyEngine(_policy(tmp_path))

    def decided(method: str, segment: str, role: str) -> Reason:
        request = {"method": method, "segments": [segment, ""]}
        return engine.evaluate({"request": request, "token": {"realm_access": {"roles": [role]}}}).reason

    assert decided("GET", "hello", "customer") is Reason.ALLOWED
    assert decided("GET", "other", "customer") is Reason.POLICY_DENIED
    assert decided("POST", "hello", "customer") is Reason.POLICY_DENIED
    assert decided("GET", "hello", "stranger") is Reason.POLICY_DENIED
