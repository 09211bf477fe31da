"""Who may ask at a listener that other hosts reach: by certificate, on open connections too, until its end."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import grpc
import psutil
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from tests.support.live import Live
from tests.support.lone_config import GATEWAY, HOST
from tests.support.lone_sidecar import LoneSidecar, replace, until
from tests.support.patience import PATIENCE
from tests.support.stock_proxies import decision_point

from authz_devkit.certs.authority import client_request
from authz_devkit.certs.tree import load_authority
from authz_service.decision_point import ext_authz_grpc, protobuf

LISTED = ["CN=api-gateway-client,O=MyOrg", "CN=edge-client,O=MyOrg"]
Certificate = tuple[Path, Path]


@pytest.fixture(scope="module")
def asked(live: Live, module_stack: ExitStack) -> LoneSidecar:
    """Two listeners over mutual TLS, one protocol each."""
    own = live.mesh.certs / "order-service"
    changes: dict[str, object] = {
        "http": {
            "tls": {
                "cert_file": str(own / "server.crt"), "key_file": str(own / "server.key"), "client_auth": "require",
                "client_ca_file": str(live.mesh.certs / "ca" / "zone2-ca.crt"),
            }
        },
        "proxy.asked_by.envoy-grpc.allowed_clients": LISTED,
        "proxy.asked_by.envoy-http.allowed_clients": LISTED,
    }  # fmt: skip
    return module_stack.enter_context(decision_point(live, changes))


def over_grpc(asked: LoneSidecar, certificate: Certificate | None) -> str:
    """What a check about nothing comes to: the status of the denial, or of the call."""
    pair = (None, None) if certificate is None else (certificate[1].read_bytes(), certificate[0].read_bytes())
    trust = (asked.certs / "ca" / "zone2-ca.crt").read_bytes()
    credentials = grpc.ssl_channel_credentials(trust, *pair)
    options = [("grpc.ssl_target_name_override", HOST)]
    with grpc.secure_channel(f"{asked.address}:9191", credentials, options) as channel:
        try:
            answer = channel.unary_unary(ext_authz_grpc.METHOD.decode())(b"", timeout=PATIENCE)
        except grpc.RpcError as error:
            return str(error.code().name)
    [(_, status)] = protobuf.fields(protobuf.within(answer, 2, 1))
    return str(status)


@contextmanager
def connected(asked: LoneSidecar, certificate: Certificate | str | None) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(HOST, timeout=PATIENCE)
    plain = socket.create_connection((asked.address, 9192), timeout=PATIENCE)
    connection.sock = asked.tls(certificate).wrap_socket(plain, server_hostname=HOST)
    try:
        yield connection
    finally:
        connection.close()


def status(connection: http.client.HTTPConnection) -> int:
    connection.request("GET", "/inventory/1")
    answer = connection.getresponse()
    answer.read()
    return answer.status


def over_http(asked: LoneSidecar, certificate: Certificate | str | None) -> int:
    """0 where the connection is refused."""
    try:
        with connected(asked, certificate) as connection:
            return status(connection)
    except (OSError, http.client.HTTPException):
        return 0


def issued(asked: LoneSidecar, name: str, *, service: str = "edge") -> Certificate:
    return asked.issued(name, client_request(service, "zone2", now=datetime.now(UTC)))


def test_who_is_listed_may_ask(asked: LoneSidecar) -> None:
    """His question is refused for what it says: a decision, with a record."""
    before = len(asked.audit)
    edge = issued(asked, "edge")

    assert (over_grpc(asked, edge), over_http(asked, edge), over_http(asked, GATEWAY)) == ("403", 403, 403)
    assert [one["reason"] for one in asked.audit[before:]] == ["client_cert_missing"] * 3


def test_who_is_not_listed_may_not(asked: LoneSidecar) -> None:
    """Another certificate of the same CA, a stranger's, none: no decision, no record."""
    before = len(asked.audit)
    other = issued(asked, "other", service="other")
    zone3 = (asked.certs / "order-service" / "client-zone3.crt", asked.certs / "order-service" / "client-zone3.key")

    assert [over_grpc(asked, one) for one in (other, zone3, None)] == ["UNAUTHENTICATED", "UNAVAILABLE", "UNAVAILABLE"]
    assert [over_http(asked, one) for one in (other, "order-service/client-zone3", None)] == [403, 0, 0]
    assert len(asked.audit) == before


def test_plain_text_is_not_spoken(asked: LoneSidecar) -> None:
    with socket.create_connection((asked.address, 9192), timeout=PATIENCE) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        assert not plain.recv(100).startswith(b"HTTP")


def test_who_leaves_the_list_asks_nothing_more(asked: LoneSidecar) -> None:
    """Nor on a connection that was open; and who comes back may ask again."""
    edge = issued(asked, "leaving")
    with connected(asked, edge) as connection:
        assert status(connection) == 403
        before = len(asked.audit)

        asked.write_config({"proxy.asked_by.envoy-http.allowed_clients": LISTED[:1]})
        until(lambda: over_http(asked, GATEWAY) == 403 and len(asked.audit) > before and is_taken_over(asked))
        before = len(asked.audit)

        with pytest.raises((OSError, http.client.HTTPException)):
            status(connection)
        assert (over_http(asked, edge), len(asked.audit)) == (403, before)
    asked.write_config({"proxy.asked_by.envoy-http.allowed_clients": LISTED})
    until(lambda: over_http(asked, edge) == 403 and len(asked.audit) > before)


def is_taken_over(asked: LoneSidecar) -> bool:
    """The door has the file that the configuration says now."""
    rules = (asked.folder / "state" / "door.json").read_text()
    ready = asked.readyz()
    return rules.count("edge-client") == 1 and bool(ready["ready"])


def test_a_revoked_certificate_asks_nothing_more(asked: LoneSidecar) -> None:
    """By the list that the door is given, on a connection that was open before it, too."""
    edge, zone2 = issued(asked, "revoked"), load_authority(asked.certs, "zone2")
    serial = x509.load_pem_x509_certificate(edge[0].read_bytes()).serial_number
    lists = asked.folder / "etc" / "askers.crl"

    def revoke(serials: list[int], number: int) -> None:
        made = zone2.revocation_list(serials, number=number, now=datetime.now(UTC))
        replace(lists, made.public_bytes(Encoding.PEM).decode())

    revoke([], 1)
    asked.write_config({"http.tls.crl_file": str(lists)})
    until(lambda: '"crl"' in (asked.folder / "state" / "sds" / "client_ca.json").read_text())
    with connected(asked, edge) as connection:
        until(lambda: over_http(asked, edge) == 403)

        revoke([serial], 2)

        until(lambda: over_http(asked, edge) == 0)
        with pytest.raises((OSError, http.client.HTTPException)):
            status(connection)
    assert over_http(asked, GATEWAY) == 403


def test_a_session_ends_with_the_rules_that_began_it(asked: LoneSidecar) -> None:
    """Or it would outlive a certificate that has been revoked since (SECURITY T2)."""
    tls = asked.tls(GATEWAY)
    tls.maximum_version = ssl.TLSVersion.TLSv1_2  # where a session is known as soon as there is a connection

    def connect(session: ssl.SSLSession | None) -> ssl.SSLSocket:
        plain = socket.create_connection((asked.address, 9192), timeout=PATIENCE)
        return tls.wrap_socket(plain, server_hostname=HOST, session=session)

    with connect(None) as first:
        session = first.session
    before = (asked.folder / "state" / "door.version").read_text()
    asked.write_config({"http.max_connections": 999})
    until(lambda: (asked.folder / "state" / "door.version").read_text() != before)

    with connect(session) as second:
        assert not second.session_reused


def test_the_door_is_started_again_when_it_dies(asked: LoneSidecar) -> None:
    """What connects meanwhile waits."""
    [door] = [one for one in asked.tree() if "authz_service.decision_point.door" in " ".join(one.cmdline())]
    door.kill()

    assert over_http(asked, GATEWAY) == 403
    psutil.wait_procs([door], PATIENCE)
    until(lambda: asked.readyz()["ready"])
