"""Requests that are seldom seen, and what the service answers to an offer to upgrade: neither disturbs anybody else."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, suppress
from typing import Any

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, ResponseReceived, StreamReset
from h2.settings import SettingCodes
from tests.support.envoy_pair import EDGE, NOBODY, ORDERS, EnvoyPair, url
from tests.support.neighbours import Neighbour, Reply, Seen, ask, send_raw
from tests.support.patience import PATIENCE, until
from tests.support.raw_bytes import opening, request
from tests.support.real_envoy import RealEnvoy

from authz_service.config.model import Config
from authz_service.domain.refusals import Reason
from authz_service.envoy.received_path import received_host

_HOST = b"host: edge.test\r\n\r\n"
_OFFER = [
    *(("connection", "Upgrade"), ("upgrade", "websocket")),
    *(("sec-websocket-version", "13"), ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")),
]


@pytest.mark.parametrize(
    ("host", "told"),
    [
        *((host, host) for host in ("edge.test:8443", "edge.test", "[::1]:8443", "Edge.Test")),
        *(("edge.test.", "edge.test"), ("edge.test.:8443", "edge.test:8443")),
        *(("edge.test..", "edge.test."), ("edge.test..:8443", "edge.test.:8443")),
    ],
)
def test_the_host_keeps_its_port_and_no_dot_at_the_end(pair: EnvoyPair, host: str, told: str) -> None:
    """A service on another port than 443 builds its own URLs from it; the gate sees what the service sees."""
    pair.call_edge("/api/x", headers=[("host", host)])

    assert [question.value("host") for question in pair.edge_asked] == [told]
    assert pair.app.seen[-1].value("host") == told
    assert received_host(host) == told


@pytest.mark.parametrize(
    "line", [b"OPTIONS * HTTP/1.1", b"CONNECT edge.test:443 HTTP/1.1", b"GET https://edge.test?x HTTP/1.1"]
)
def test_what_names_no_path_ends_in_envoy(pair: EnvoyPair, line: bytes) -> None:
    """Nobody is asked, so there is no audit record; Envoy's own log has a line. With a path the gate is asked."""
    lines = len(_logged(pair))
    assert send_raw(EDGE, line + b"\r\n" + _HOST, pair.client_tls()).startswith(b"HTTP/1.1 404")
    assert pair.edge_asked == []
    assert pair.app.seen == []
    until(lambda: len(_logged(pair)) > lines)
    assert _logged(pair)[-1]["status"] == 404

    assert send_raw(EDGE, b"GET https://edge.test/api HTTP/1.1\r\n" + _HOST, pair.client_tls()).startswith(
        b"HTTP/1.1 200"
    )
    assert len(pair.edge_asked) == 1


def test_an_empty_second_transfer_encoding_smuggles_nothing(pair: EnvoyPair) -> None:
    """Envoy takes the body for the next request, which a chunk's first line can never be: 400, and the end."""
    head = b"POST /api/x HTTP/1.1\r\nhost: e\r\ntransfer-encoding: chunked\r\n%s\r\n"
    inner = b"GET /api/evil HTTP/1.1\r\nhost: e\r\n\r\n"
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(inner), inner)

    received = send_raw(EDGE, head % b"transfer-encoding: \r\n" + body, pair.client_tls(), _answers(2))
    assert [answer[:3] for answer in received.split(b"HTTP/1.1 ")[1:]] == [b"200", b"400"]
    assert [(seen.target, seen.body) for seen in pair.app.seen] == [("/api/x", b"")]

    send_raw(EDGE, head % b"" + body, pair.client_tls(), _answers(1))
    assert [(seen.target, seen.body) for seen in pair.app.seen[1:]] == [("/api/x", inner)]


@pytest.mark.parametrize("status", [200, 204, 302])
def test_an_offer_that_the_service_does_not_take_up_is_its_answer_not_the_callers_fault(
    pair: EnvoyPair, status: int
) -> None:
    """502: passed on, a caller would have a tunnel past the gate. Without the offer it is the caller's."""
    pair.app.answer = lambda _: Reply(status, (), b"" if status == 204 else b"plain")

    assert pair.call_edge("/api/ws", headers=_OFFER).problem["reason"] == Reason.UPSTREAM_ERROR
    assert pair.call_edge("/api/ws").status == status

    pair.app.answer = lambda _: Reply(404, (), b"none here")
    assert pair.call_edge("/api/ws", headers=_OFFER).body == b"none here"


def test_what_follows_a_101_that_nobody_asked_for_is_nobodys_answer(pair: EnvoyPair) -> None:
    """It comes before anybody's question: the connection is given up."""
    evil = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil"
    connections = []
    with socket.create_server(NOBODY) as service:
        service.settimeout(PATIENCE)
        tls = pair.client_tls().wrap_socket(socket.create_connection(EDGE), server_hostname="edge.test")
        with tls:
            for answer in (
                b"HTTP/1.1 101 Switching\r\n\r\n" + evil,
                b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ngood",
            ):
                tls.sendall(b"GET /nobody/x HTTP/1.1\r\n" + _HOST)
                connection, _ = service.accept()  # each time a new one
                connections.append(connection)
                assert connection.recv(4096)
                connection.sendall(answer)
                received = tls.recv(4096)
                assert b"evil" not in received
            assert received.endswith(b"good")
    for connection in connections:
        connection.close()


def test_one_malformed_stream_ends_alone(pair: EnvoyPair) -> None:
    """Behind a balancer the next stream is another caller's."""
    fields = [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"edge.test"), (b":path", b"/api/x")]
    tls = pair.client_tls()
    tls.set_alpn_protocols(["h2"])
    for bad in ([(b"X-Upper", b"1")], [(b"connection", b"close")], [(b"x-nul", b"a\0b")]):
        pair.reset()
        sent = opening(request([*fields, *bad], stream=1), request(fields, stream=3))
        assert _frames(send_raw(EDGE, sent, tls, lambda received: _frames(received, stream=3)), stream=3), bad
        assert [seen.target for seen in pair.app.seen] == ["/api/x"]


def _answers(count: int) -> Callable[[bytes], bool]:
    return lambda received: received.count(b"HTTP/1.1 ") >= count


def _frames(received: bytes, stream: int) -> list[int]:
    """The kinds of frames of a stream, HEADERS (1) among them."""
    kinds = []
    while len(received) >= 9:
        length, kind, number = int.from_bytes(received[:3]), received[3], struct.unpack(">I", received[5:9])[0]
        if number == stream and kind == 1:
            kinds.append(kind)
        received = received[9 + length :]
    return kinds


def test_websocket_over_http2_works_as_announced(pair: EnvoyPair) -> None:
    """RFC 8441: a browser sends no key, and the service, which speaks HTTP/1.1, wants one."""
    h2 = H2Connection(H2Configuration(header_encoding="utf-8"))
    h2.initiate_connection()
    tls = pair.client_tls(pair.caller)
    tls.set_alpn_protocols(["h2"])
    with tls.wrap_socket(
        socket.create_connection(ORDERS, timeout=PATIENCE), server_hostname="orders.test"
    ) as connection:
        connection.sendall(h2.data_to_send())
        while not h2.remote_settings.get(SettingCodes.ENABLE_CONNECT_PROTOCOL):
            h2.receive_data(connection.recv(65536))
        asked = [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "https"), (":path", "/ws/echo")]
        h2.send_headers(1, [*asked, (":authority", "orders.test"), ("sec-websocket-version", "13")])
        connection.sendall(h2.data_to_send())
        status, echoed = "", b""
        while not echoed:
            for event in h2.receive_data(connection.recv(65536)):
                assert not isinstance(event, StreamReset)
                if isinstance(event, ResponseReceived):
                    found: dict[Any, Any] = dict(event.headers or ())
                    status = str(found[":status"])
                    assert status == "200"
                    h2.send_data(1, b"\x82\x85\0\0\0\0hello")  # RFC 6455 §5.2: binary, masked by zeros
                if isinstance(event, DataReceived):
                    echoed += event.data or b""
            connection.sendall(h2.data_to_send())
    assert echoed == b"\x82\x05hello"


def test_a_key_is_added_to_websocket_only_and_replaces_none(pair: EnvoyPair) -> None:
    """The no of the test above."""
    key = "sec-websocket-key"
    pair.app.answer = lambda _: Reply(404)
    for sent in ([], _OFFER[:3], _OFFER):
        pair.call_edge("/api/ws", headers=sent)

    without, added, own = (seen.values(key) for seen in pair.app.seen)
    assert without == []
    assert len(added) == 1
    assert own == [_OFFER[3][1]]
    assert added != own


@pytest.mark.parametrize("said", ["https", "http"])
def test_the_egress_changes_no_forwarding_header(pair: EnvoyPair, said: str) -> None:
    """The service says what its own caller's request was; Envoy adds nothing of its own."""
    sent = [("x-forwarded-proto", said), ("x-forwarded-for", "10.9.8.7"), ("x-forwarded-host", "shop.example")]

    pair.call_egress("/open/x", headers=sent)

    (seen,) = pair.open.seen
    assert [(name, seen.values(name)) for name, _ in sent] == [(name, [value]) for name, value in sent]
    assert _envoys(seen) == []
    until(lambda: any(line["event"] == "egress" for line in _lines(pair)))
    assert "10.9.8.7" not in [line["remote"] for line in _lines(pair) if line["event"] == "egress"]


def _envoys(seen: Seen) -> list[str]:
    return [name for name, _ in seen.headers if name.startswith("x-envoy-")]


def _logged(pair: EnvoyPair) -> list[dict[str, Any]]:
    return [line for line in _lines(pair) if line["event"] == "ingress"]


def _lines(pair: EnvoyPair) -> list[dict[str, Any]]:
    text = pair.access_log.read_text() if pair.access_log.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def test_a_crowd_at_the_services_door_is_waited_for(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Its backlog is full, so the kernel drops what asks for a connection and Envoy's asks again after a second. Who is
    down refuses: 503 at once (test_each_reason_is_said_in_the_gates_form).
    """
    door, waiting = (NOBODY[0], 21443), []
    config = Config.model_validate(
        {
            "http": {"addr": url(door)[7:], "tls": {"enabled": False}},
            "proxy": {"upstream": url(NOBODY), "authz": {"enabled": False}},
        }
    )
    envoy = RealEnvoy(config, tmp_path_factory.mktemp("c"), {})
    with socket.socket() as service, ThreadPoolExecutor(1) as callers, ExitStack() as stack:
        for index in range(2):
            stack.enter_context(Neighbour(envoy.paths.worker_socket(index)))
        stack.enter_context(envoy)
        service.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        service.bind(NOBODY)
        service.listen(0)
        service.settimeout(PATIENCE)
        while True:  # until nobody more is let in
            crowd = stack.enter_context(socket.socket())
            crowd.settimeout(0.3)
            try:
                crowd.connect(NOBODY)
            except TimeoutError:
                break
            waiting.append(crowd)
        answer = callers.submit(ask, door, "GET", "/x")
        wait([answer], timeout=1.3)  # else it would have been given up by now
        while not answer.done():
            connection, _ = service.accept()
            stack.enter_context(connection)
            connection.settimeout(0.2)
            with suppress(TimeoutError):
                if connection.recv(4096):
                    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                    wait([answer], timeout=PATIENCE)

    assert waiting
    assert answer.result().status == 200
