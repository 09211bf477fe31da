"""Who does not get through the handshake has no request and no record: a figure and a line of the log tell of him."""

from __future__ import annotations

import dataclasses
import json
import re
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.support.live import Live
from tests.support.lone_sidecar import HOST, LoneSidecar, until
from tests.support.patience import PATIENCE

from authz_devkit.certs.authority import Authority, client_request
from authz_service.control_plane.data_plane.counts import HANDSHAKES

REASONS = set(HANDSHAKES.values())
NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def started(live: Live) -> Iterator[LoneSidecar]:
    elsewhere = {"path": "/else/**", "upstream": "http://127.0.0.1:9"}
    with LoneSidecar(live, {"proxy.routes": [{"path": "/**"}, elsewhere]}) as sidecar:
        yield sidecar


def figures(sidecar: LoneSidecar) -> dict[str, float]:
    return {why: sidecar.metric(f'authz_handshake_failures_total{{reason="{why}"}}') for why in REASONS}


def told(sidecar: LoneSidecar) -> dict[str, int]:
    """By reason, how many failed as the log says."""
    found = dict.fromkeys(REASONS, 0)
    for line in sidecar.log.splitlines():
        if '"handshakes_failed"' in line:
            event = json.loads(line)
            found[event["reason"]] += event["count"]
    return found


def _refused(sidecar: LoneSidecar, certificate: tuple[Path, Path] | None) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError)):
        sidecar.call("GET", "/orders/1", certificate=certificate)


def no_certificate(sidecar: LoneSidecar) -> None:
    _refused(sidecar, None)


def other_ca(sidecar: LoneSidecar) -> None:
    pair = Authority.create("zone2-CA", now=NOW).issue(client_request("api-gateway", "zone1", now=NOW))
    cert, key = sidecar.folder / "other.crt", sidecar.folder / "other.key"
    cert.write_bytes(pair.cert_pem)
    key.write_bytes(pair.key_pem)
    _refused(sidecar, (cert, key))


def expired(sidecar: LoneSidecar) -> None:
    request = client_request("api-gateway", "zone1", now=NOW)
    past = dataclasses.replace(request, not_before=NOW - timedelta(days=2), not_after=NOW - timedelta(days=1))
    _refused(sidecar, sidecar.issued("expired", past))


def plain_http(sidecar: LoneSidecar) -> None:
    with socket.create_connection(sidecar.place, PATIENCE) as connection:
        connection.sendall(b"GET /orders/1 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"HTTP" not in connection.recv(100)


def untrusting(sidecar: LoneSidecar) -> None:
    """A caller that does not know the CA of our certificate."""
    context = ssl.create_default_context()
    with pytest.raises(ssl.SSLCertVerificationError):
        context.wrap_socket(socket.create_connection(sidecar.place, PATIENCE), server_hostname=HOST)


def test_each_handshake_that_fails_is_counted_and_told_and_no_other(started: LoneSidecar, live: Live) -> None:
    """By its reason. Not who gets through, nor who looks at the port only: a balancer does that every second. And no
    audit record, for nobody asked for anything.
    """
    assert started.call("GET", "/orders/1", token=live.user("john")).status == 200
    socket.create_connection(started.place, PATIENCE).close()
    for attempt in (no_certificate, other_ca, expired, plain_http, untrusting):
        attempt(started)

    expected = {"no_certificate": 1, "certificate_refused": 2, "tls_error": 2, "timeout": 0}
    until(lambda: figures(started) == expected, state=lambda: f"{figures(started)} {started.log}")
    assert told(started) == expected
    assert len(started.audit) == 1


def test_envoys_metrics_are_named_by_the_configuration(started: LoneSidecar, live: Live) -> None:
    """An address in a name is another one in each pod: no rule, and no page, could be written of it."""
    assert started.call("GET", "/else/1", token=live.user("john")).status == 503

    text = started.admin("/metrics").body.decode()
    envoys = [line for line in text.splitlines() if line.startswith("envoy_")]
    assert [line for line in envoys if re.search(r"\d+[_.]\d+[_.]\d+[_.]\d+", line.rpartition(" ")[0])] == []
    names = set(re.findall(r'envoy_cluster_name="([^"]+)"', text))
    assert {"app", "route_else"} <= names
    assert started.metric('envoy_listener_downstream_cx_total{envoy_listener_address="ingress"}') > 0
