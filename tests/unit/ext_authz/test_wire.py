"""The question read and the answer written, byte by byte (RFC 9457, RFC 6750, RFC 9110)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.decisions import request

from authz_service import headers
from authz_service.domain.decision import StepUp
from authz_service.domain.refusals import ANSWERS, Reason
from authz_service.ext_authz import wire
from authz_service.request_form import METHODS

EXTRACT = ((headers.USER_CONTEXT.encode(), headers.USER_CONTEXT), (b"x-tenant", "x-tenant"))
FOUND = {
    b"host": b"x.local",
    b"authorization": b"Bearer t",
    headers.CORRELATION_ID.encode(): b"c-1",
    headers.PEER_CERT.encode(): b"-----BEGIN%20",
    headers.REMOTE.encode(): b"10.0.0.1",
    headers.ROUTE.encode(): b"orders",
    headers.USER_CONTEXT.encode(): b"j\xc3\xb6rg",
    b"x-envoy-internal": b"true",
}


def refused(
    reason: Reason, method: str = "GET", methods: tuple[str, ...] = ("GET", "POST")
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the answer."""
    answer = wire.refuse(reason, request(method=method), "d" * 32, "c-1", realm="order-service", methods=methods)
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    return int(status.split()[1]), dict(line.split(": ", 1) for line in lines), body


def test_a_question_is_read_as_envoy_asked_it() -> None:
    """Method, path behind the prefix, query, and the headers that are ours to know."""
    question = wire.read_request(b"GET", b"/check-0123abcd/orders/1%20?a=b?c", FOUND, EXTRACT, "Bearer t")

    assert question == (
        "GET", "/orders/1%20", "a=b?c", "x.local", "orders", b"-----BEGIN%20", "Bearer t", "c-1",
        {headers.USER_CONTEXT: "j\xc3\xb6rg"}, "10.0.0.1", b"0123abcd", False, "",
    )  # fmt: skip


def test_what_envoy_did_not_send_is_absent() -> None:
    """No certificate is no peer, no header is no token: never a default that means something."""
    question = wire.read_request(b"GET", b"/check-0123abcd/", {}, EXTRACT, None)

    assert question == ("GET", "/", "", "", "", b"", None, "", {}, "", b"0123abcd", False, "")


@pytest.mark.parametrize(
    "target", [b"", b"/", b"/orders", b"/chec", b"*", b"http://x.local/check/orders", b"/CHECK/orders", b"?a"]
)
def test_a_target_that_is_not_envoys_has_no_path(target: bytes) -> None:
    """The gate refuses the empty path; with the prefix it would be read."""
    assert wire.read_request(b"GET", target, {}, (), None).path == ""
    assert wire.read_request(b"GET", wire.CHECK_PREFIX + b"0123abcd/orders", {}, (), None).path == "/orders"


names = st.sampled_from(list(FOUND)) | st.binary(max_size=9)


@given(st.binary(), st.binary(), st.dictionaries(names, st.binary()))
def test_whatever_arrives_becomes_a_question_and_loses_nothing(
    method: bytes, target: bytes, found: dict[bytes, bytes]
) -> None:
    question = wire.read_request(method, wire.CHECK_PREFIX + b"0123abcd" + target, found, EXTRACT, None)

    path, _, query = target.partition(b"?")
    assert (question.method, question.path, question.query) == tuple(
        part.decode("latin-1") for part in (method, path, query)
    )
    assert question.peer == found.get(headers.PEER_CERT.encode(), b"")
    assert set(question.extracted) == {name for raw, name in EXTRACT if raw in found}


def test_an_allowed_request_is_answered_with_the_headers_to_set() -> None:
    assert wire.allow(b"x-user-id: u1\r\n") == b"HTTP/1.1 200 OK\r\nx-user-id: u1\r\ncontent-length: 0\r\n\r\n"
    assert wire.allow(b"") == b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason is not Reason.ALLOWED])
def test_every_refusal_says_why_and_nothing_more(reason: Reason) -> None:
    """RFC 9457 with our stable reason. 503 goes as the status that Envoy turns into it."""
    status, fields, body = refused(reason)
    expected = ANSWERS[reason]

    assert json.loads(body) == {
        "type": "about:blank",
        "title": expected.title,
        "status": expected.status,
        "reason": reason.value,
        "decision_id": "d" * 32,
        "correlation_id": "c-1",
    }
    assert status == (headers.UNAVAILABLE_STATUS if expected.status == 503 else expected.status)
    assert fields.pop("content-type") == "application/problem+json"
    assert fields.pop("cache-control") == "no-store"
    assert fields.pop("content-length") == str(len(body))
    assert list(fields) == {401: ["www-authenticate"], 405: ["allow"], 503: ["retry-after"]}.get(expected.status, [])


def test_a_caller_without_a_token_is_told_how_to_come_back() -> None:
    """RFC 6750 §3.1: with a wrong token the challenge carries an error, without one it does not."""
    assert refused(Reason.TOKEN_MISSING)[1]["www-authenticate"] == 'Bearer realm="order-service"'
    assert refused(Reason.TOKEN_EXPIRED)[1]["www-authenticate"] == (
        'Bearer realm="order-service", error="invalid_token", error_description="The access token has expired"'
    )


def test_a_wrong_method_is_told_the_right_ones() -> None:
    assert refused(Reason.METHOD_NOT_ALLOWED, methods=("GET", "PUT"))[1]["allow"] == "GET, PUT"


def test_unavailable_says_when_to_come_back() -> None:
    assert refused(Reason.AUDIT_UNAVAILABLE)[1]["retry-after"] == "1"


@pytest.mark.parametrize("method", sorted(METHODS))
def test_only_the_answer_to_head_has_no_body(method: str) -> None:
    """RFC 9110 §9.3.2: Envoy would read it as the beginning of the next answer. Its length is told all the same."""
    _, fields, body = refused(Reason.POLICY_DENIED, method)

    assert (body == b"") == (method == "HEAD")
    assert int(fields["content-length"]) > 0


@pytest.mark.parametrize(
    ("step_up", "wanted"),
    [
        (StepUp("gold silver", 300), ', acr_values="gold silver", max_age="300"'),
        (StepUp("gold", None), ', acr_values="gold"'),
        (StepUp("", 0), ', max_age="0"'),
    ],
)
def test_a_better_sign_in_is_asked_for_as_rfc_9470_says(step_up: StepUp, wanted: str) -> None:
    """And the body gives the reason as any other."""
    reason = Reason.INSUFFICIENT_USER_AUTHENTICATION
    answer = wire.refuse(reason, request(), "d", "c", realm="order-service", methods=(), step_up=step_up)
    head, _, body = answer.decode().partition("\r\n\r\n")
    challenge = next(line for line in head.split("\r\n") if line.startswith("www-authenticate: "))

    title = ANSWERS[reason].title
    assert challenge == (
        f'www-authenticate: Bearer realm="order-service", error="{reason}", error_description="{title}"{wanted}'
    )
    assert head.startswith("HTTP/1.1 401 ")
    assert json.loads(body)["reason"] == reason


def test_what_leaves_by_the_egress_is_told_by_its_path() -> None:
    assert wire.is_about_egress(f"{headers.EXCHANGE_PATH}/orders".encode())
    assert not wire.is_about_egress(b"/orders")
