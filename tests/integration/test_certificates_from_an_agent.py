"""`tls.sds` with an SDS server that errs: without a CA nobody comes in, and readiness tells what has not arrived."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path

import pytest
from tests.support.live import Live
from tests.support.lone_sidecar import LoneSidecar, until
from tests.support.secret_server import SecretServer, ca_secret, certificate_secret

from authz_devkit.certs.authority import client_request
from authz_devkit.certs.tree import ca_bundle, leaf_cert, leaf_key

StartSidecar = Callable[..., LoneSidecar]
GATEWAY = "spiffe://mesh/zone1/api-gateway"  # in the certificates of the devkit
RULES = {"proxy.mtls.allowed_clients": [GATEWAY]}


@pytest.fixture
def agent(tmp_path: Path, live: Live) -> Iterator[SecretServer]:
    """Has the order service's certificate, and zone 2's CA."""
    own = "order-service/server"
    with SecretServer(tmp_path / "agent.sock") as server:
        pair = (leaf_cert(live.mesh.certs, own).read_bytes(), leaf_key(live.mesh.certs, own).read_bytes())
        for name in ("default", "second"):
            server.secrets[name] = certificate_secret(name, *pair)
        server.secrets["ROOTCA"] = ca_secret("ROOTCA", ca_bundle(live.mesh.certs, "zone2").read_bytes())
        yield server


def by(agent: SecretServer) -> dict[str, object]:
    return {"http.tls": {"sds": agent.socket, "client_auth": "require"}, **RULES}


def test_the_agents_certificates_serve(start_sidecar: StartSidecar, agent: SecretServer, live: Live) -> None:
    """A caller without a SPIFFE ID is refused in the handshake; with it, the very same client passes."""
    sidecar, john = start_sidecar(by(agent)), live.user("john")
    good = client_request("api-gateway", "zone1", now=datetime.now(UTC))
    named, nameless = sidecar.issued("named", good), sidecar.issued("nameless", replace(good, uris=()))

    assert sidecar.call("GET", "/orders/1", token=john, certificate=named).status == HTTPStatus.OK
    assert sidecar.metric('authz_certificate_expiry_timestamp_seconds{name="default"}') > 0
    assert sidecar.metric('authz_certificate_expiry_timestamp_seconds{name="ROOTCA"}') > 0
    with pytest.raises(OSError, match=r"(?i)alert|reset|closed|eof"):
        sidecar.call("GET", "/orders/1", token=john, certificate=nameless)


@pytest.mark.parametrize("secret", [ca_secret("ROOTCA", None), ca_secret("ROOTCA", b""), None])
def test_without_a_ca_nobody_comes_in(agent: SecretServer, live: Live, secret: bytes | None) -> None:
    """Envoy would take a context without a CA for "whoever comes". Not ready, and why; with the CA it serves."""
    john, whole = live.user("john"), agent.secrets.pop("ROOTCA")
    if secret is not None:
        agent.secrets["ROOTCA"] = secret
    sidecar = LoneSidecar(live, by(agent))
    with sidecar.echo:
        sidecar.start()
        try:
            only = ["no certificate yet from tls.sds: ROOTCA"]
            until(lambda: "ROOTCA" in agent.asked or secret is None)
            until(lambda: sidecar.readyz()["missing"] == only, state=lambda: str(sidecar.readyz()))
            with pytest.raises(OSError, match=r"(?i)alert|reset|closed|eof"):
                sidecar.call("GET", "/orders/1", token=john)
            assert sidecar.echo.seen == []

            agent.secrets["ROOTCA"] = whole
            sidecar.envoy().kill()
            sidecar.wait_ready()
            assert sidecar.call("GET", "/orders/1", token=john).status == HTTPStatus.OK
        finally:
            sidecar.kill()


def test_another_agent_needs_a_restart(start_sidecar: StartSidecar, agent: SecretServer, live: Live) -> None:
    """Refused with words, and the old one serves on; another name at the same agent is taken over."""
    sidecar, john = start_sidecar(by(agent)), live.user("john")
    sidecar.write_config({"http.tls.sds": "unix:///nowhere/agent.sock"})
    until(lambda: "tls.sds" in str(sidecar.readyz()["degraded"]))
    assert sidecar.call("GET", "/orders/1", token=john).status == HTTPStatus.OK

    before = sidecar.readyz()["revision"]
    sidecar.write_config({"http.tls.sds": agent.socket, "http.tls.sds_certificate": "second"})
    until(lambda: sidecar.readyz()["revision"] != before and sidecar.readyz()["ready"])
    assert sidecar.call("GET", "/orders/1", token=john).status == HTTPStatus.OK
    assert "second" in agent.asked
