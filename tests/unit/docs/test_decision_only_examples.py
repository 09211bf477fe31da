"""examples/decision_only: each proxy's file and the decision point's agree on where is asked, and in which headers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from tests.unit.docs.pages import ROOT

from authz_service.config.loader import load_config
from authz_service.config.model import AskedBy

EXAMPLE = ROOT / "examples" / "decision_only"
PROXIES = {
    "envoy-grpc": "envoy-grpc.yaml", "envoy-http": "envoy-http.yaml", "nginx": "nginx.conf", "caddy": "Caddyfile",
    "traefik": "traefik.yaml",
}  # fmt: skip


def askers() -> dict[str, AskedBy]:
    return load_config(EXAMPLE / "authz.yaml", {}, anywhere=True).proxy.asked_by


@pytest.mark.parametrize(("name", "file"), PROXIES.items())
def test_a_proxy_asks_where_somebody_listens(name: str, file: str) -> None:
    """At its own listener, and nowhere else."""
    text, asker = (EXAMPLE / file).read_text(), askers()[name]
    place = str(asker.addr).removeprefix("unix://")
    port = place.rpartition(":")[2]

    assert (port in text) or (place in text)
    others = {str(other.addr).rpartition(":")[2] for key, other in askers().items() if key != name}
    assert not any(re.search(rf"\b{re.escape(other)}\b", text) for other in others if other.isdecimal())


@pytest.mark.parametrize("name", ["nginx", "caddy", "envoy-http"])
def test_a_proxy_sets_the_headers_that_are_believed(name: str) -> None:
    """All of them, by itself; Traefik's are its own (X-Forwarded-Tls-Client-Cert)."""
    text = (EXAMPLE / PROXIES[name]).read_text().lower()
    said = [getattr(askers()[name].headers, key) for key in type(askers()[name].headers).model_fields]

    assert [header for header in said if header is not None and header.lower() not in text] == []


@pytest.mark.parametrize("file", ["envoy-grpc.yaml", "envoy-http.yaml", "traefik.yaml", "istio.yaml"])
def test_a_file_is_yaml(file: str) -> None:
    assert all(isinstance(one, dict) for one in yaml.safe_load_all(Path(EXAMPLE / file).read_text()))


def test_no_proxy_lets_pass_what_nobody_judged() -> None:
    """Without an answer there is none."""
    for file in ("envoy-grpc.yaml", "envoy-http.yaml"):
        assert "failure_mode_allow: false" in (EXAMPLE / file).read_text()
    assert "failOpen: false" in (EXAMPLE / "istio.yaml").read_text()
