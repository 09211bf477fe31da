"""Whatever a proxy says becomes one question that says no more than that, or one that is refused."""

from __future__ import annotations

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz_service import headers
from authz_service.decision_point.answered import read_answer
from authz_service.decision_point.asked import MOST_BYTES, Asked, Questions
from authz_service.decision_point.routes import Routes
from authz_service.decision_point.rules import DoorRules
from authz_service.domain.refusals import Reason
from authz_service.ext_authz import wire

RULES = DoorRules(
    askers=(),
    workers=("/w",),
    attempt=1.0,
    listener="0123abcd",
    tag="feedbeef",
    routes=("/orders/**", "/orders/special", "/orders/special/**", "/health"),
    passed=("authorization", "x-tenant", "x-authz-peer-cert", "host", "content-length"),
    owned=("x-user-id",),
    max_connections=10,
)
GOOD = Asked(b"GET", b"/orders/1?a=b", b"x.local", {b"authorization": b"Bearer t"}, b"-----BEGIN%20", b"10.0.0.1")
# What ends a line, or begins a header of ours, anywhere in what a caller controls.
HOSTILE = st.binary(max_size=40) | st.sampled_from(
    [
        b"a\r\nx-authz-peer-cert: evil",
        b"a\nx-authz-peer-cert: evil",
        b"/x HTTP/1.1\r\nx-authz-route: r\r\n\r\nGET /",
        b"\0",
    ]
)


class Read:
    """One question as a worker's parser reads it."""

    def __init__(self, text: bytes) -> None:
        self.found: list[tuple[bytes, bytes]] = []
        self.target = b""
        self.messages = 0
        parser = httptools.HttpRequestParser(self)
        parser.feed_data(text)
        self.method = parser.get_method()

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.found.append((name, value))

    def on_message_complete(self) -> None:
        self.messages += 1


def test_a_question_is_the_one_that_our_envoy_asks() -> None:
    """As a worker reads it."""
    question = Questions(RULES).about(GOOD)
    read = Read(question.text)

    asked = wire.read_request(read.method, read.target, dict(read.found), ((b"x-tenant", "x-tenant"),), "Bearer t")

    assert asked[:7] == ("GET", "/orders/1", "a=b", "x.local", "/orders/**", b"-----BEGIN%20", "Bearer t")
    assert (asked.listener, asked.remote) == (b"0123abcd", "10.0.0.1")
    assert wire.configuration_tag(dict(read.found)) == b"feedbeef"
    assert headers.is_correlation_id(asked.correlation_id)


@given(
    method=HOSTILE, target=HOSTILE, host=HOSTILE, certificate=HOSTILE, remote=HOSTILE,
    found=st.dictionaries(st.sampled_from([b"authorization", b"x-tenant", b"x-authz-peer-cert", b"host"]), HOSTILE),
)  # fmt: skip
def test_nothing_that_is_said_becomes_another_line(
    method: bytes, target: bytes, host: bytes, certificate: bytes, remote: bytes, found: dict[bytes, bytes]
) -> None:
    """One message; each header once; the certificate is the one that was said, or the path is empty."""
    asked = Asked(method, target, host, found, certificate, remote)
    text = Questions(RULES).about(asked).text
    if not text.startswith(tuple(f"{one} ".encode() for one in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"))):
        text = b"GET " + text.partition(b" ")[2]  # another token, which the worker's parser is not shown either
    read = Read(text)
    names = [name for name, _ in read.found]

    assert read.messages == 1
    assert len(set(names)) == len(names)
    assert set(names) <= {
        b"host", b"authorization", b"x-tenant", b"x-correlation-id", b"x-authz-remote", b"x-authz-peer-cert",
        b"x-authz-route",
    }  # fmt: skip
    peer = dict(read.found).get(b"x-authz-peer-cert", b"")
    assert peer == certificate.strip(b" \t") or (peer == b"" and read.target == b"/check-0123abcd")


@pytest.mark.parametrize(
    "change",
    [
        {"target": b""}, {"target": b"/a b"}, {"target": b"/a#b"}, {"target": b"/\xff"}, {"method": b""},
        {"method": b"GE T"}, {"host": b"a\r\nb"}, {"certificate": b"a\nb"}, {"remote": b"\0"},
        {"found": {b"authorization": b"Bearer t\r\nx: y"}}, {"found": {b"x-tenant": b"\x7f"}},
    ],
)  # fmt: skip
def test_what_cannot_be_asked_has_no_path(change: dict[str, object]) -> None:
    """Which the gate refuses, and records. What else was said is not said at all."""
    read = Read(Questions(RULES).about(GOOD._replace(**change)).text)  # type: ignore[arg-type]

    assert read.target == b"/check-0123abcd"
    assert {name for name, _ in read.found} <= {b"x-correlation-id", b"x-authz-route"}


@pytest.mark.parametrize(
    ("path", "route"),
    [
        (b"/orders", b"/orders/**"), (b"/orders/", b"/orders/**"), (b"/orders/1", b"/orders/**"), (b"/ordersx", b"-"),
        (b"/orders/special", b"/orders/special"), (b"/orders/special/1", b"/orders/special/**"),
        (b"/health", b"/health"),
        (b"/health/x", b"-"), (b"/", b"-"), (b"", b"-"), (b"/Orders", b"-"), (b"//orders", b"-"),
    ],
)  # fmt: skip
def test_a_route_is_found_as_our_envoy_finds_it(path: bytes, route: bytes) -> None:
    """Exact before `/**`, the longest first, in whole segments."""
    assert Routes(RULES.routes).find(path) == route


def test_everything_may_have_a_route() -> None:
    assert Routes(["/**"]).find(b"/x") == b"/**"


def test_an_answer_is_what_the_worker_wrote() -> None:
    """Headers to set, headers to remove; a refusal's status, headers and body."""
    allowed = read_answer(wire.allow(b"x-user-id: john\r\nx-envoy-auth-headers-to-remove: a,b\r\n"), is_head=False)
    assert allowed is not None
    assert (allowed.allowed, allowed.told, allowed.removed) == (True, ((b"x-user-id", b"john"),), (b"a", b"b"))

    for reason, status in ((Reason.TOKEN_MISSING, 401), (Reason.KEYS_UNAVAILABLE, 503), (Reason.POLICY_DENIED, 403)):
        text = wire.refuse(reason, wire.read_request(b"GET", b"", {}, (), None), "d", "c", realm="r", methods=())
        refused = read_answer(text, is_head=False)
        assert refused is not None
        assert (refused.allowed, refused.status, reason.value.encode() in refused.body) == (False, status, True)
        assert [read_answer(text[:end], is_head=False) for end in (10, len(text) - 1)] == [None, None]


@pytest.mark.parametrize(
    "text",
    [
        b"HTTP/1.1 500 X\r\ncontent-length: 0\r\n\r\n", b"HTTP/1.1 302 X\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200 OK\r\nx\r\n\r\n", b"200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 201 OK\r\n\r\n",
    ],
)  # fmt: skip
def test_what_no_worker_writes_is_no_answer(text: bytes) -> None:
    with pytest.raises(ValueError):
        read_answer(text, is_head=False)


@pytest.mark.parametrize("name", ["x-authz-peer-cert", "host", "content-length"])
def test_a_callers_own_header_is_never_one_of_ours(name: str) -> None:
    """Nobody has shown a certificate, and a caller writes one into a header (SECURITY T1)."""
    said = Asked(b"GET", b"/orders", b"", {name.encode(): b"evil"})

    assert b"evil" not in Questions(RULES).about(said).text


def test_a_question_has_room_in_a_workers_notes() -> None:
    """One that has not is refused, and has lost what filled it."""
    long = GOOD._replace(found={b"x-tenant": b"\xff" * MOST_BYTES})

    assert b"\xff" not in Questions(RULES).about(long).text
    assert len(Questions(RULES).about(long).text) < 200
    fits = GOOD._replace(found={b"x-tenant": b"\xff" * (MOST_BYTES // 2)})
    assert b"\xff" in Questions(RULES).about(fits).text
