"""Certificates from a real SPIRE agent's socket: by whom we are called, whom we call, renewal, and a dead agent."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from tests.support.echo_service import EchoService, tls_server
from tests.support.live import Live
from tests.support.lone_config import HOST
from tests.support.lone_sidecar import LoneSidecar, until
from tests.support.neighbours import Answer, ask
from tests.support.ports import free_port
from tests.support.spire import Spire, Svid, spiffe_ids

from authz_devkit.certs.tree import leaf_cert, leaf_key
from authz_service.domain.refusals import Reason

GATEWAY = "spiffe://mesh/zone1/gateway"
MALLORY = "spiffe://mesh/zone1/mallory"
ORDER = "spiffe://mesh/zone2/order-service"
DATA = "spiffe://mesh/zone3/data-service"
SHORT = "spiffe://mesh/zone2/short-lived"
LIFE = 20  # seconds, of SHORT


@pytest.fixture(scope="module")
def spire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spire]:
    with Spire(tmp_path_factory.mktemp("spire"), free_port()) as server:
        for name in (ORDER, GATEWAY, MALLORY, DATA):
            server.register(name)
        yield server


@pytest.fixture(scope="module")
def target(live: Live, spire: Spire) -> Iterator[EchoService]:
    """The data service, which shows its SVID and wants one of the trust domain."""
    svid = require(spire, DATA)
    with EchoService(live.free_address(), 9443, tls_server(svid.cert, svid.key, svid.bundle)) as service:
        yield service


def require(spire: Spire, name: str) -> Svid:
    svid = spire.fetch(name)
    assert svid is not None
    return svid


def by_agent(spire: Spire, name: str = ORDER) -> dict[str, Any]:
    """In place of the files of `ingress_config`."""
    return {
        "http.tls": {"sds": spire.socket, "sds_certificate": name, "client_auth": "require"},
        "proxy.mtls.allowed_clients": [GATEWAY],
    }


def call(sidecar: LoneSidecar, svid: Svid, token: str, pair: tuple[Path, Path] | None = None) -> Answer:
    context = trusting(svid, pair or (svid.cert, svid.key))
    headers = [("authorization", f"Bearer {token}")]
    return ask(sidecar.place, "GET", "/orders/1", headers=headers, tls=context, host=HOST)


def trusting(svid: Svid, pair: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=svid.bundle)
    context.check_hostname = False  # an SVID has no host name
    context.load_cert_chain(*pair)
    return context


def served(sidecar: LoneSidecar, svid: Svid) -> x509.Certificate:
    with trusting(svid, (svid.cert, svid.key)).wrap_socket(socket.create_connection(sidecar.place, 10)) as connection:
        shown = connection.getpeercert(binary_form=True)
    assert shown is not None
    return x509.load_der_x509_certificate(shown)


def test_a_caller_is_known_by_its_spiffe_id(spire: Spire, live: Live) -> None:
    """One that is not listed is refused by the gate, and one of another authority in the handshake."""
    gateway, mallory, john = require(spire, GATEWAY), require(spire, MALLORY), live.user("john")
    certs, name = live.mesh.certs, "gateway/client-zone2"
    with LoneSidecar(live, by_agent(spire)) as sidecar:
        assert call(sidecar, gateway, john).status == HTTPStatus.OK
        assert sidecar.audit[-1]["mtls_client"] == GATEWAY
        assert call(sidecar, mallory, john).status == HTTPStatus.FORBIDDEN
        assert sidecar.audit[-1]["reason"] == Reason.CLIENT_NOT_ALLOWED
        with pytest.raises(OSError, match=r"(?i)alert|reset|closed"):
            call(sidecar, gateway, john, (leaf_cert(certs, name), leaf_key(certs, name)))


def test_what_is_served_is_the_agents_and_its_end_is_told(spire: Spire, live: Live) -> None:
    """Private keys are in none of our files."""
    with LoneSidecar(live, by_agent(spire)) as sidecar:
        certificate = served(sidecar, require(spire, GATEWAY))
        end = sidecar.metric(f'authz_certificate_expiry_timestamp_seconds{{name="{ORDER}"}}')
        bundle_end = sidecar.metric('authz_certificate_expiry_timestamp_seconds{name="ROOTCA"}')
        files = [path.read_bytes() for path in (sidecar.folder / "state").rglob("*") if path.is_file()]

    assert spiffe_ids(certificate) == [ORDER]
    assert 0 < end <= certificate.not_valid_after_utc.timestamp()
    assert bundle_end >= end
    assert all(b"PRIVATE KEY" not in text for text in files)


@pytest.mark.parametrize(
    ("name", "status"),
    [(DATA, HTTPStatus.OK), (MALLORY, HTTPStatus.SERVICE_UNAVAILABLE), (DATA[:-1], HTTPStatus.SERVICE_UNAVAILABLE)],
)
def test_a_target_is_known_by_its_spiffe_id(
    spire: Spire, live: Live, target: EchoService, name: str, status: int
) -> None:
    """Compared whole. It sees our identity, and our token only when it is the one."""
    tls = {"sds": spire.socket, "sds_certificate": ORDER, "spiffe_id": name}
    before = len(target.seen)
    with LoneSidecar(live, {"egress.targets.data-service.tls": tls}, target=target.place) as sidecar:
        assert sidecar.call_egress("GET", "/data/x").status == status
    if status == HTTPStatus.OK:
        own = x509.load_pem_x509_certificates(require(spire, ORDER).cert.read_bytes())[0]
        assert target.seen[-1].peer_serial == f"{own.serial_number:x}"
    else:
        assert len(target.seen) == before


def test_a_renewed_certificate_is_taken_over_by_itself(spire: Spire, live: Live) -> None:
    spire.register(SHORT, ttl=LIFE)
    gateway, john = require(spire, GATEWAY), live.user("john")
    with LoneSidecar(live, by_agent(spire, SHORT)) as sidecar:
        first = served(sidecar, gateway).serial_number
        until(lambda: served(sidecar, gateway).serial_number != first, 3 * LIFE)
        assert call(sidecar, gateway, john).status == HTTPStatus.OK
        assert sidecar.readyz()["degraded"] == []


def test_a_dead_agent_is_felt_at_the_next_start_only(spire: Spire, live: Live) -> None:
    """What Envoy has, it serves on; a sidecar without certificates is not ready, says so, and mends itself."""
    gateway, john = require(spire, GATEWAY), live.user("john")
    with LoneSidecar(live, by_agent(spire)) as sidecar:
        spire.kill_agent()
        try:
            assert call(sidecar, gateway, john).status == HTTPStatus.OK
            assert sidecar.stop() == 0
            sidecar.start()
            until(lambda: f"no certificate yet from tls.sds: {ORDER}" in sidecar.readyz()["missing"])
            assert "no certificate yet from tls.sds: ROOTCA" in sidecar.readyz()["missing"]
            with pytest.raises(OSError, match=r"(?i)alert|reset|closed|refused|eof"):
                call(sidecar, gateway, john)
        finally:
            spire.start_agent()
        sidecar.wait_ready(60)
        assert call(sidecar, gateway, john).status == HTTPStatus.OK
        until(lambda: sidecar.readyz()["degraded"] == [], state=lambda: str(sidecar.readyz()))


def test_files_and_agent_go_together(spire: Spire, live: Live, target: EchoService) -> None:
    """The ingress by files, a target by files too, known by its SPIFFE ID."""
    own = require(spire, ORDER)
    tls = {
        "client_cert": str(own.cert),
        "client_key": str(own.key),
        "ca_cert": str(own.bundle),
        "spiffe_id": DATA,
    }
    with LoneSidecar(live, {"egress.targets.data-service.tls": tls}, target=target.place) as sidecar:
        assert sidecar.call_egress("GET", "/data/x").status == HTTPStatus.OK
