"""Streams pass both doors: events, uploads, gRPC, WebSocket. A timeout only counts until the answer begins."""

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator

import grpc
import httpx
import pytest
from tests.support.envoy_pair import EDGE, EGRESS, IDLE, MAX_BODY, ORDERS, TIMEOUT, EnvoyPair, url
from tests.support.neighbours import Reply
from tests.support.patience import PATIENCE
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from authz_service.domain.refusals import Reason

_METADATA = (("authorization", "Bearer user"),)


def test_an_answer_that_has_begun_is_never_cut_by_the_timeout(pair: EnvoyPair) -> None:
    """Server-sent events: each arrives before the next one is sent, the last one long after the timeout."""
    arrived = threading.Semaphore(1)

    def events(sent: list[tuple[float, bytes]]) -> Iterator[tuple[float, bytes]]:
        for event in sent:
            assert arrived.acquire(timeout=PATIENCE)
            yield event

    sent = [(TIMEOUT / 3, b"data: %d\n\n" % number) for number in range(5)]
    pair.app.answer = lambda _: Reply(pieces=events(sent))
    pieces, started = [], time.monotonic()
    with httpx.stream("GET", url(EDGE, "https") + "/api/events", verify=pair.client_tls(), timeout=PATIENCE) as answer:
        for piece in answer.iter_raw():
            pieces.append(piece)
            arrived.release()

    assert pieces == [event for _, event in sent]
    assert time.monotonic() - started > TIMEOUT + 0.2


def test_an_answer_that_does_not_begin_is_504_unless_the_route_is_patient(pair: EnvoyPair) -> None:
    """http.timeouts.request, and a route's own timeout."""
    pair.app.answer = lambda _: Reply(delay=TIMEOUT + 0.3)

    assert pair.call_edge("/api/slow").problem["reason"] == Reason.UPSTREAM_TIMEOUT
    assert pair.call_edge("/patient/slow").status == 200


def test_a_slow_upload_is_not_the_services_delay(pair: EnvoyPair) -> None:
    """The time counts from the end of the request."""
    tls = pair.client_tls()
    with tls.wrap_socket(socket.create_connection(EDGE), server_hostname="edge.test") as connection:
        connection.sendall(b"POST /api HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\nconnection: close\r\n\r\n")
        for byte in b"abc":
            time.sleep(TIMEOUT / 2)
            connection.sendall(bytes([byte]))
        received = connection.recv(4096)

    assert received.startswith(b"HTTP/1.1 200")


def test_a_silent_stream_is_ended(pair: EnvoyPair) -> None:
    """http.timeouts.idle: the last piece comes too late, where a little less silence passes."""
    pair.app.answer = lambda _: Reply(pieces=[(0, b"first"), (IDLE / 5, b"in time")])
    assert pair.call_edge("/api/events").body == b"firstin time"

    pair.app.answer = lambda _: Reply(pieces=[(0, b"first"), (IDLE + 0.5, b"late")])
    with pytest.raises(http.client.IncompleteRead):
        pair.call_edge("/api/events")


def test_large_answers_pass_both_doors(pair: EnvoyPair) -> None:
    """16 MiB, far above every buffer."""
    piece = b"x" * (1 << 20)
    pair.orders_app.answer = lambda _: Reply(pieces=[(0, piece)] * 16)

    assert len(pair.call_egress("/orders/large").body) == 16 << 20


def test_grpc_passes_both_doors(pair: EnvoyPair) -> None:
    """Unary, error and both-way streams, with the target's token; the gate behind is asked like for any request."""
    with grpc.insecure_channel(f"{EGRESS[0]}:{EGRESS[1]}") as channel:
        unary = channel.unary_unary("/orders/echo.Echo/Unary")
        stream = channel.stream_stream("/orders/echo.Echo/Stream")

        answer, call = unary.with_call(b"hi", metadata=_METADATA, timeout=PATIENCE)
        with pytest.raises(grpc.RpcError) as failed:
            unary(b"fail", timeout=PATIENCE)
        echoed = list(stream(iter([b"1", b"2", b"3"]), timeout=PATIENCE))

    assert answer == b"hi|Bearer orders-token"
    assert ("x-trailer", "t") in call.trailing_metadata()
    assert failed.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert echoed == [b"1", b"2", b"3"]
    asked = pair.orders_gate.seen + pair.orders_gate_2.seen
    assert [question.path for question in asked][:1] == ["/echo.Echo/Unary"]


def test_grpc_that_the_gate_refuses_gets_a_grpc_status(pair: EnvoyPair) -> None:
    """403 is PERMISSION_DENIED, our 503 is UNAVAILABLE."""
    with grpc.insecure_channel(f"{EGRESS[0]}:{EGRESS[1]}") as channel:
        unary = channel.unary_unary("/orders/echo.Echo/Unary")
        codes = []
        for status in (403, 463):
            pair.orders_gate.answer = pair.orders_gate_2.answer = lambda _, status=status: Reply(status, (), b"{}")  # type: ignore[misc]  # a default binds the status
            with pytest.raises(grpc.RpcError) as failed:
                unary(b"hi", timeout=PATIENCE)
            codes.append(failed.value.code())

    assert codes == [grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAVAILABLE]


def test_a_grpc_stream_may_be_silent_longer_than_the_timeout(pair: EnvoyPair) -> None:
    """The client's own deadline counts, and ends the call."""
    with grpc.insecure_channel(f"{EGRESS[0]}:{EGRESS[1]}") as channel:
        stream = channel.stream_stream("/orders/echo.Echo/Stream")

        def slowly() -> object:
            time.sleep(TIMEOUT + 0.4)
            yield b"late"

        assert list(stream(slowly(), timeout=PATIENCE)) == [b"late"]


def test_websocket_passes_both_doors(pair: EnvoyPair) -> None:
    """HTTP/1.1 to the egress, HTTP/2 between the sidecars, HTTP/1.1 to the service; and straight to the ingress.

    More bytes than a body may have: what flows through an upgraded connection is no request body.
    """
    large = "x" * (MAX_BODY + 1000)
    with connect(f"ws://{EGRESS[0]}:{EGRESS[1]}/orders/ws/echo", max_size=1 << 20) as websocket:
        websocket.send("hello")
        assert websocket.recv() == "hello"
        websocket.send(large)
        assert websocket.recv() == large

    tls = pair.client_tls(pair.caller)
    with connect(f"wss://{ORDERS[0]}:{ORDERS[1]}/ws/echo", ssl=tls, max_size=1 << 20) as websocket:
        websocket.send(large)
        assert websocket.recv() == large

    asked = pair.orders_gate.seen + pair.orders_gate_2.seen
    assert [(question.method, question.path) for question in asked] == [("GET", "/ws/echo")] * 2
    assert {question.value("authorization") for question in asked} == {"Bearer orders-token", None}


def test_websocket_that_the_gate_refuses_is_not_opened(pair: EnvoyPair) -> None:
    """The no of the test above."""
    pair.orders_gate.answer = pair.orders_gate_2.answer = lambda _: Reply(403, (), b"{}")

    with pytest.raises(InvalidStatus) as refused, connect(f"ws://{EGRESS[0]}:{EGRESS[1]}/orders/ws/echo"):
        pass

    assert refused.value.response.status_code == 403


def test_the_second_sidecar_speaks_http2_by_agreement(pair: EnvoyPair) -> None:
    """ALPN on the ingress."""
    context = pair.client_tls(pair.caller)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with context.wrap_socket(socket.create_connection(ORDERS), server_hostname="orders.test") as connection:
        assert connection.selected_alpn_protocol() == "h2"
        assert connection.version() == "TLSv1.3"
    old = pair.client_tls(pair.caller)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError), old.wrap_socket(socket.create_connection(ORDERS), server_hostname="orders.test"):
        pass
