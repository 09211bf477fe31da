"""Who may connect at all, and what the connection log says about who may not."""

import json
import socket
import ssl
import time
from typing import Any

import pytest
from tests.support.certificates import CLIENT, SERVER, Authority, Leaf, Life
from tests.support.envoy_pair import EDGE, ORDERS, EnvoyPair
from tests.support.neighbours import Address, Answer, ask
from tests.support.patience import until

from authz_service import headers
from authz_service.envoy import secrets


def _call(pair: EnvoyPair, place: Address, leaf: Leaf | None) -> Answer:
    return ask(place, "GET", "/api", tls=pair.client_tls(leaf))


def _refused(pair: EnvoyPair, place: Address, leaf: Leaf | None) -> None:
    """With TLS 1.3 the client hears of it with its first read."""
    before = len(pair.app.seen) + len(pair.orders_app.seen)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        _call(pair, place, leaf)
    assert len(pair.app.seen) + len(pair.orders_app.seen) == before


@pytest.mark.parametrize("place", [EDGE, ORDERS], ids=["request", "require"])
def test_a_certificate_of_the_zones_ca_is_welcome(pair: EnvoyPair, place: Address) -> None:
    """The yes of the tests below."""
    assert _call(pair, place, pair.caller).status == 200


def test_without_a_certificate_only_request_lets_in(pair: EnvoyPair) -> None:
    """http.tls.client_auth."""
    assert _call(pair, EDGE, None).status == 200
    _refused(pair, ORDERS, None)


@pytest.mark.parametrize("place", [EDGE, ORDERS], ids=["request", "require"])
def test_a_wrong_certificate_is_refused(pair: EnvoyPair, place: Address) -> None:
    """Another CA, one with the same name, expired, not yet valid, a server's: also where none would do."""
    now = time.time()
    impostor = Authority.living("zone-ca", now)
    expired, future = Life(now - 200, now - 100), Life(now + 1000, now + 2000)

    _refused(pair, place, pair.other_ca.issue("caller-client"))
    _refused(pair, place, impostor.issue("caller-client"))
    _refused(pair, place, pair.ca.issue("caller-client", life=expired))
    _refused(pair, place, pair.ca.issue("caller-client", life=future))
    _refused(pair, place, pair.ca.issue("caller-client", usages=(SERVER,)))
    assert _call(pair, place, pair.ca.issue("caller-client", usages=(CLIENT,))).status == 200


def test_a_refused_handshake_is_in_the_log(pair: EnvoyPair) -> None:
    """No request log has it: there was no request."""

    def failures() -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in pair.access_log.read_text().splitlines(keepends=True) if "\n" in line]
        return [line for line in lines if "CERTIFICATE_VERIFY_FAILED" in str(line.get("tls_failure"))]

    before = len(failures())
    _refused(pair, EDGE, pair.other_ca.issue("stranger"))
    until(lambda: len(failures()) > before)
    last = failures()[-1]
    assert last["event"] == "connection"
    assert last["service"] == "edge"


def test_no_secret_is_in_the_log(pair: EnvoyPair) -> None:
    """Neither a token nor what stands in a query."""
    pair.call_edge("/api?access_token=in-the-query", headers=[("authorization", "Bearer in-the-header")])
    pair.call_egress("/orders/x", headers=[(headers.CORRELATION_ID, "the-last-one")])
    until(lambda: "the-last-one" in pair.access_log.read_text())

    log = pair.access_log.read_text() + pair.edge.log
    assert '"path":"/api"' in log
    assert "in-the" not in log
    assert "orders-token" not in log
    assert "orders-token" not in pair.edge.admin("/config_dump?include_eds")


def test_a_session_is_never_resumed(pair: EnvoyPair) -> None:
    """SECURITY T2: a resumed session outlives the certificate that it was made with."""
    context = pair.client_tls(pair.caller)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    first = context.wrap_socket(socket.create_connection(EDGE), server_hostname="edge.test")
    with first:
        session = first.session
    second = context.wrap_socket(socket.create_connection(EDGE), server_hostname="edge.test", session=session)
    with second:
        assert not second.session_reused


def test_a_revoked_certificate_is_refused_from_the_next_connection_on(pair: EnvoyPair) -> None:
    """CA and list in one file, changed by one rename."""
    now = time.time()
    revoked = pair.ca.issue("revoked-client")
    assert _call(pair, ORDERS, revoked).status == 200
    revocations = pair.ca.revoke(revoked.serial, life=Life(now - 60, now + 3600)).decode()
    authority = pair.ca.pem.decode()
    try:
        text = secrets.validation_context_secret(secrets.CLIENT_CA, authority, revocations)
        pair.orders.change_secret(secrets.CLIENT_CA, text)

        _refused(pair, ORDERS, revoked)
        assert _call(pair, ORDERS, pair.caller).status == 200
    finally:
        pair.orders.change_secret(secrets.CLIENT_CA, secrets.validation_context_secret(secrets.CLIENT_CA, authority))
