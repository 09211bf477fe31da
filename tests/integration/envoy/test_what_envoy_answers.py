"""What Envoy answers by itself has the gate's form, says one of our reasons, and tells nothing about the inside."""

import pytest
from tests.support.envoy_pair import EDGE, MAX_BODY, TIMEOUT, EnvoyPair
from tests.support.neighbours import Answer, Headers, Reply, Seen, send_raw
from tests.support.patience import PATIENCE

from authz_service.domain.refusals import ANSWERS, Reason


def _expect(answer: Answer, reason: Reason) -> None:
    problem = answer.problem
    assert set(problem) == {"title", "status", "reason", "correlation_id"}
    assert problem["reason"] == reason
    assert (problem["status"], problem["title"]) == ANSWERS[reason]


@pytest.mark.parametrize(
    ("path", "sent", "body", "reason"),
    [
        ("/api/%2e%2e%2fx", (), None, Reason.PATH_REFUSED),
        ("/api/%5c", (), None, Reason.PATH_REFUSED),
        ("/api", (("x_y", "1"),), None, Reason.REQUEST_INVALID),
        ("/api", (("x-large", "a" * 40_000),), None, Reason.HEADERS_TOO_LARGE),
        ("/api", tuple((f"x-{i}", "1") for i in range(120)), None, Reason.HEADERS_TOO_LARGE),
        ("/api", (), b"x" * (MAX_BODY + 1), Reason.REQUEST_TOO_LARGE),
        ("/none", (), None, Reason.ROUTE_NOT_FOUND),
        ("/nobody", (), None, Reason.UPSTREAM_UNAVAILABLE),
        ("/api/hang", (), None, Reason.UPSTREAM_TIMEOUT),
        ("/api/cut", (), None, Reason.UPSTREAM_UNAVAILABLE),
        ("/api/garbage", (), None, Reason.UPSTREAM_ERROR),
    ],
)
def test_each_reason_is_said_in_the_gates_form(
    pair: EnvoyPair, path: str, sent: Headers, body: bytes | None, reason: Reason
) -> None:
    """RFC 9457, with status and title from the one table."""
    pair.app.answer = _trouble

    answer = pair.call_edge(path, "POST" if body else "GET", headers=sent, body=body)

    _expect(answer, reason)
    for inside in (b"127.77", b"upstream_reset", b"protocol_error", b"cluster", b"envoy"):
        assert inside not in answer.body
    assert bool(answer.values("retry-after")) == (reason is Reason.UPSTREAM_UNAVAILABLE)


def _trouble(seen: Seen) -> Reply:
    if seen.target.endswith("/hang"):
        return Reply(delay=TIMEOUT + 0.4)
    if seen.target.endswith("/cut"):
        raise ConnectionError
    return Reply(headers=(("content-length", "nonsense"),))


def test_a_body_within_the_limit_passes(pair: EnvoyPair) -> None:
    """The no of the 413."""
    assert pair.call_edge("/api", "POST", body=b"x" * MAX_BODY).status == 200
    assert len(pair.app.seen[0].body) == MAX_BODY


def test_a_body_of_unknown_length_is_measured_on_its_way(pair: EnvoyPair) -> None:
    """Chunked: 413 when the limit is passed."""
    chunk = b"%x\r\n%s\r\n" % (MAX_BODY, b"x" * MAX_BODY)
    head = b"POST /api HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"

    assert send_raw(EDGE, head + chunk + b"0\r\n\r\n", pair.client_tls()).startswith(b"HTTP/1.1 200")
    assert send_raw(EDGE, head + chunk + chunk, pair.client_tls()).startswith(b"HTTP/1.1 413")


def test_a_long_body_is_refused_before_the_gate_is_asked(pair: EnvoyPair) -> None:
    """A stranger's megabytes cost no decision."""
    pair.call_edge("/api", "POST", body=b"x" * (MAX_BODY + 1))

    assert pair.edge_asked == []


@pytest.mark.parametrize(
    ("request_bytes", "status", "reason"),
    [
        (b"GET /api HTTP/1.0\r\n\r\n", 426, Reason.PROTOCOL_UNSUPPORTED),
        (b"GET /api HTTP/1.1\r\n\r\n", 400, Reason.REQUEST_INVALID),
        (b"NONSENSE\r\n\r\n", 400, Reason.REQUEST_INVALID),
        (
            b"GET /api HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
            400,
            Reason.REQUEST_INVALID,
        ),
        (b"GET /api HTTP/1.1\r\nhost: x\r\nx-a : 1\r\n\r\n", 400, Reason.REQUEST_INVALID),
        (b"GET /api HTTP/1.1\r\nhost: x\r\nx-a: 1\x00\r\n\r\n", 400, Reason.REQUEST_INVALID),
    ],
)
def test_what_is_no_request_is_refused_without_the_gate(
    pair: EnvoyPair, request_bytes: bytes, status: int, reason: Reason
) -> None:
    """Framing tricks end at the door."""
    received = send_raw(EDGE, request_bytes, pair.client_tls())

    assert received.startswith(b"HTTP/1.1 %d " % status)
    assert f'"reason":"{reason}"'.encode() in received
    assert b"content-type: application/problem+json" in received
    assert pair.edge_asked == []


def test_a_client_that_drips_its_headers_is_timed_out(pair: EnvoyPair) -> None:
    """http.timeouts.headers is one second here."""
    import socket
    import time

    tls = pair.client_tls()
    with tls.wrap_socket(socket.create_connection(EDGE), server_hostname="edge.test") as connection:
        connection.settimeout(PATIENCE)
        connection.sendall(b"GET /api HTTP/1.1\r\nhost:")
        started = time.monotonic()
        received = connection.recv(4096)

    assert received.startswith(b"HTTP/1.1 408")
    assert b'"reason":"request_timeout"' in received
    assert time.monotonic() - started > 0.7
