"""Each protocol turns its request into the same question, and the same answer into its own words."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.client_certificates import certificate, in_envoys_form

from authz_service.decision_point import authzen, ext_authz_grpc, ext_authz_http, forward_auth, protobuf
from authz_service.decision_point.answered import Answered, unavailable
from authz_service.decision_point.asked import UNREADABLE, Asked
from authz_service.decision_point.certificates import as_envoy_writes_it, of_xfcc
from authz_service.decision_point.http_messages import HttpRequest
from authz_service.decision_point.rules import Said
from authz_service.domain.refusals import Rejected
from authz_service.identity.certificates import read_peer

DER = certificate()
PEM = in_envoys_form(DER)
DENIED = Answered(403, ((b"content-type", b"application/problem+json"),), (), b'{"reason":"policy_denied"}')
ALLOWED = Answered(200, ((b"x-user-id", b"john"),), (b"x-plan",), b"")
SAID = Said("x-original-method", "x-original-uri", "x-original-host", "x-client-cert", "x-client-verify", "x-real-ip")


def http(found: dict[str, str], method: str = "GET", target: str = "/", repeated: str = "") -> HttpRequest:
    lines = {name.encode(): value.encode() for name, value in found.items()}
    return HttpRequest(method.encode(), target.encode(), lines, frozenset([repeated.encode()]), b"")


def check(*, path: bytes = b"/orders/1?a", found: dict[bytes, bytes] | None = None, pem: bytes = PEM) -> bytes:
    """A CheckRequest as Envoy writes it."""
    sent = {b":authority": b"x.local", b"authorization": b"Bearer t", **(found or {})}
    entries = b"".join(
        protobuf.of_bytes(3, protobuf.of_bytes(1, name) + protobuf.of_bytes(2, value)) for name, value in sent.items()
    )
    text = protobuf.of_bytes(2, b"POST") + entries + protobuf.of_bytes(4, path) + protobuf.of_bytes(5, b"x.local")
    address = protobuf.of_bytes(1, protobuf.of_bytes(1, protobuf.of_bytes(2, b"10.0.0.1") + protobuf.of_number(3, 99)))
    source = address + protobuf.of_bytes(4, b"spiffe://x/y") + protobuf.of_bytes(5, pem)
    request = protobuf.of_bytes(1, protobuf.of_number(1, 5)) + protobuf.of_bytes(2, text)
    return protobuf.of_bytes(1, protobuf.of_bytes(1, source) + protobuf.of_bytes(4, request))


def test_a_check_over_grpc_is_read() -> None:
    """Its peer is the certificate of the connection, never the principal."""
    asked = ext_authz_grpc.read(check(), Said())

    assert (asked.method, asked.target, asked.host) == (b"POST", b"/orders/1?a", b"x.local")
    assert (asked.certificate, asked.remote) == (PEM, b"10.0.0.1")
    assert asked.found[b"authorization"] == b"Bearer t"
    assert ext_authz_grpc.read(check(pem=b""), Said()).certificate == b""


def test_two_headers_of_one_name_stay_visible() -> None:
    """SECURITY T14; also as `encode_raw_headers` sends them."""
    pairs = [protobuf.of_bytes(1, b"Authorization") + protobuf.of_bytes(3, value) for value in (b"a", b"b")]
    header_map = protobuf.of_bytes(13, b"".join(protobuf.of_bytes(1, pair) for pair in pairs))
    message = protobuf.of_bytes(1, protobuf.of_bytes(4, protobuf.of_bytes(2, header_map)))

    assert ext_authz_grpc.read(message, Said()).found == {b"authorization": b"a,b"}


@given(st.binary(max_size=200))
def test_no_message_breaks_the_reader(message: bytes) -> None:
    """Garbage in, refused out."""
    asked = ext_authz_grpc.read(message, Said())

    assert isinstance(asked, Asked)


@pytest.mark.parametrize("cut", range(1, 40, 3))
def test_a_message_that_is_cut_off_is_refused(cut: int) -> None:
    assert ext_authz_grpc.read(check()[:-cut], Said()) == UNREADABLE


@pytest.mark.parametrize(
    "message", [b"\x00\x00", b"\x0b", b"\x0a\xff", b"\x08" + b"\xff" * 11, b"\x0a\x05ab", b"\x0d\x01"]
)
def test_what_is_no_message_is_none(message: bytes) -> None:
    with pytest.raises(ValueError):
        list(protobuf.fields(message))


def test_an_allow_over_grpc_sets_and_removes() -> None:
    """Every header of ours, in every spelling that came (SECURITY T4)."""
    asked = ext_authz_grpc.read(check(found={b"x_user_id": b"root", b"X-Plan": b"gold", b"x-other": b"1"}), Said())
    answer = ext_authz_grpc.write(ALLOWED, asked, ["x-user-id", "x-plan"])

    assert protobuf.within(answer, 1) == b""  # OK
    ok = list(protobuf.fields(protobuf.within(answer, 3)))
    options = [value for number, value in ok if number == 2 and isinstance(value, bytes)]
    assert [protobuf.texts(protobuf.within(option, 1)) for option in options] == [{1: b"x-user-id", 2: b"john"}]
    assert [protobuf.texts(option)[2] for option in options] == [b""]  # append: false
    assert [value for number, value in ok if number == 5] == [b"x-plan", b"x_user_id"]


@pytest.mark.parametrize("answered", [DENIED, unavailable(b"c")])
def test_a_refusal_over_grpc_is_a_denial(answered: Answered) -> None:
    """Not an error, which some set up to let pass (failure_mode_allow)."""
    answer = ext_authz_grpc.write(answered, UNREADABLE, [])

    assert dict(protobuf.fields(protobuf.within(answer, 1))) == {1: 7}
    assert protobuf.within(answer, 3) == b""
    denied = protobuf.texts(protobuf.within(answer, 2))
    assert (dict(protobuf.fields(denied[1])), denied[3]) == ({1: answered.status}, answered.body)


def test_a_check_over_http_is_the_request_itself() -> None:
    found = {"host": "x.local", "x-client-cert": PEM.decode(), "x-client-verify": "SUCCESS", "x-real-ip": "a, b"}
    request = http(found, "DELETE", "/check/orders?a")
    asked = ext_authz_http.read(request, SAID, "/check")

    assert asked[:3] == (b"DELETE", b"/orders?a", b"x.local")
    assert (asked.certificate, asked.remote) == (PEM, b"b")
    assert ext_authz_http.read(request._replace(target=b"/orders"), SAID, "/check") == UNREADABLE


def test_an_allow_over_http_names_what_is_removed() -> None:
    """In the header that Envoy obeys by itself, the other spelling among it."""
    answer = ext_authz_http.write(ALLOWED, ["x-user-id"], is_head=False, last=False).decode()

    assert answer.startswith("HTTP/1.1 200 OK\r\n")
    assert "\r\nx-user-id: john\r\n" in answer
    assert "\r\nx-envoy-auth-headers-to-remove: x-plan,x_user_id\r\n" in answer
    assert "remove" not in ext_authz_http.write(DENIED, ["x-user-id"], is_head=False, last=False).decode()


GOOD = {"x-original-method": "POST", "x-original-uri": "/orders?a", "x-original-host": "x.local",
        "x-client-cert": PEM.decode(), "x-client-verify": "SUCCESS", "x-real-ip": "10.0.0.1"}  # fmt: skip


def test_a_forwarded_question_is_read_from_the_headers_that_the_proxy_sets() -> None:
    asked = forward_auth.read(http(GOOD), SAID)

    assert asked[:3] == (b"POST", b"/orders?a", b"x.local")
    assert (asked.certificate, asked.remote) == (PEM, b"10.0.0.1")


@pytest.mark.parametrize(
    ("change", "repeated"),
    [
        ({"x-original-method": None}, ""), ({"x-original-uri": None}, ""), ({"x-original-host": None}, ""),
        ({"x-client-verify": None}, ""), ({"x-client-verify": "NONE"}, ""), ({"x-client-verify": "FAILED:x"}, ""),
        *(({}, name) for name in GOOD if name != "x-real-ip"),
    ],
)  # fmt: skip
def test_a_question_that_is_not_as_agreed_is_refused(change: dict[str, str | None], repeated: str) -> None:
    """A header that is missing, or there twice; a certificate that the proxy could not verify."""
    found = {name: value for name, value in {**GOOD, **change}.items() if value is not None}

    assert forward_auth.read(http(found, repeated=repeated), SAID) == UNREADABLE


def test_what_the_proxy_is_not_said_to_set_is_not_believed() -> None:
    """The caller's own headers come along."""
    said = Said("x-original-method", "x-original-uri", "x-original-host")

    asked = forward_auth.read(http(GOOD), said)

    assert (asked.certificate, asked.remote) == (b"", b"")


@pytest.mark.parametrize(("status", "told"), [(400, 403), (401, 401), (403, 403), (404, 403), (405, 403), (503, 503)])
def test_nginx_is_told_what_it_knows(status: int, told: int) -> None:
    """Others are errors to it; all of them are refusals."""
    refused = DENIED._replace(status=status)

    assert forward_auth.write(refused, for_nginx=True, is_head=False, last=False).startswith(b"HTTP/1.1 %d " % told)
    assert forward_auth.write(refused, for_nginx=False, is_head=False, last=False).startswith(b"HTTP/1.1 %d " % status)


B64 = base64.b64encode(DER).decode()


@pytest.mark.parametrize(
    "value", [PEM.decode(), B64, quote(B64, safe=""), f":{B64}:"], ids=["Envoy, nginx", "Caddy", "Traefik", "RFC 9440"]
)
def test_a_certificate_is_the_same_in_every_form(value: str) -> None:
    assert read_peer(as_envoy_writes_it(value.encode())).fingerprint == read_peer(PEM).fingerprint


@pytest.mark.parametrize("value", [b"x", b"-----BEGIN", b"CN=api-gateway-client", b"%", b":", b"::", b"AAAA", b" "])
def test_what_is_no_certificate_is_refused_and_not_absent(value: bytes) -> None:
    read = as_envoy_writes_it(value)

    assert read != b""
    with pytest.raises(Rejected):
        read_peer(read)


CERT = f'Cert="{PEM.decode()}"'


@pytest.mark.parametrize(
    ("value", "readable"),
    [
        (CERT, True), (f'Hash=ab;{CERT};Subject="CN=a,O=b";URI=spiffe://x', True),
        (f'Subject="a\\"b;c,d";{CERT}', True),
        ("Hash=ab", False), (f"{CERT},{CERT}", False), (f"{CERT};{CERT}", False), (f"Hash=ab,{CERT}", False),
        ("x", False), (f'Subject="{CERT}', False), ('Cert=""', False), (f"{CERT};;", False),
    ],
)  # fmt: skip
def test_a_client_named_in_xfcc_is_the_only_one(value: str, readable: bool) -> None:
    """One element, one certificate: what a proxy before has said is not taken for this one's word."""
    assert (of_xfcc(value.encode()) == PEM) == readable
    assert of_xfcc(value.encode()) != b""


def refusal(status: int, reason: str) -> Answered:
    body = f'{{"title":"No","status":{status},"reason":"{reason}","decision_id":"d"}}'
    return Answered(status, (), (), body.encode())


@pytest.mark.parametrize(
    ("answered", "decision"),
    [
        (Answered(200, (), (), b""), {"decision": True}),
        (
            refusal(403, "policy_denied"),
            {"decision": False, "context": {"reason": "policy_denied", "decision_id": "d"}},
        ),
        (
            refusal(400, "request_invalid"),
            {"decision": False, "context": {"reason": "request_invalid", "decision_id": "d"}},
        ),
        (refusal(503, "policy_timeout"), {"decision": False, "context": {"error": {"status": 503, "message": "No"}}}),
    ],
)
def test_only_an_allow_is_a_permit(answered: Answered, decision: dict[str, object]) -> None:
    """AuthZEN §6.2; what is broken is no decision where it was asked alone."""
    found = authzen.judged(answered)

    assert found == decision
    status, _, body = authzen.answer_of([found], single=True)
    assert (status, b"true" in body) == (503 if answered.status == 503 else 200, answered.allowed)
    assert authzen.answer_of([found, found], single=False)[0] == 200


def test_texts_of_any_kind_travel_as_one_line() -> None:
    """And come out as they went in."""
    subject = {"type": "user", "id": 'j\u00f6rg \u2028 \U0001f600 \x7f \r\n\x00 "quoted"'}
    body = json.dumps({"subject": subject, "action": {"name": "a"}, "resource": {"type": "t", "id": "i"}}).encode()
    request = HttpRequest(b"POST", authzen.EVALUATION, {b"content-type": b"application/json"}, frozenset(), body)

    [document] = authzen.read(request).documents

    assert isinstance(document, bytes)
    assert all(0x20 <= byte < 0x7F for byte in document)
    assert json.loads(document)["subject"] == subject
