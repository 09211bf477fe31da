"""One decision, one line of JSON, below 4,096 bytes, whatever is in it (DESIGN §5, SECURITY T5, T24)."""

import json
from hashlib import sha256

import msgspec
import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st
from tests.support.client_certificates import CN, O, certificate, in_envoys_form
from tests.support.decisions import request, rules

from authz_service.audit.record import MAX_LINE, AuditRecord, Recorder
from authz_service.audit.seal import ROOM
from authz_service.domain.decision import NO_CLAIMS, NO_PEER, Allow, Claims, Decision, Deny, Request, Verdict
from authz_service.domain.refusals import Reason
from authz_service.domain.rules import GateRules, RouteRules

PEER = NO_PEER._replace(common_name="api-gateway-client", fingerprint="ab" * 32)
JOHN = Claims({"sub": "u1", "preferred_username": "john", "azp": "web-app"}, "https://idp", 0.0)
YES = Verdict(Reason.ALLOWED, (), None)
ALLOW = Allow(b"", Reason.ALLOWED, "", PEER, JOHN, YES)


def line(
    decision: Decision = ALLOW, asked: Request | None = None, given_rules: GateRules | None = None, **changes: object
) -> bytes:
    facts = {
        "decision_id": "d" * 32,
        "correlation_id": "c-1",
        "user_context": "",
        "now": 1_800_000_000.0625,
        "duration_us": 42,
    }
    return Recorder(given_rules or rules()).line(asked or request(), decision, **{**facts, **changes})  # type: ignore[arg-type]


def record(*arguments: object, **changes: object) -> dict[str, object]:
    raw = line(*arguments, **changes)  # type: ignore[arg-type]
    assert len(raw) + ROOM <= MAX_LINE
    assert raw.endswith(b"}\n")
    fields: dict[str, object] = json.loads(raw)
    assert list(fields) == list(AuditRecord.__struct_fields__)
    return fields


def test_an_allow_is_recorded_with_who_what_when_where_and_why() -> None:
    """The names of the specification's example, and ours (DESIGN §5)."""
    assert record() == {
        "time": "2027-01-15T08:00:00.062Z", "level": "info", "service": "order-service", "zone": "zone2",
        "event": "access", "decision": "allow", "reason": "allowed", "reasons": [], "decision_id": "d" * 32,
        "correlation_id": "c-1", "method": "POST", "path": "/orders", "route": "",
        "mtls_client": "api-gateway-client", "mtls_fingerprint": "ab" * 32,
        "user_id": "u1", "user_name": "john", "calling_service": "web-app", "user_context": "u1", "downstream": "order",
        "remote": "10.0.1.10", "revision": "r1", "duration_us": 42, "policy_audit": None, "shadow": False,
        "truncated": False,
        "repeats": "",
    }  # fmt: skip


def test_a_refusal_is_recorded_with_its_reason_and_detail() -> None:
    refusal = record(Deny(Reason.TOKEN_EXPIRED, "expired 7 s ago", PEER, NO_CLAIMS, None))

    assert (refusal["level"], refusal["decision"], refusal["reason"]) == ("warn", "deny", "token_expired")
    assert refusal["reasons"] == ["expired 7 s ago"]
    assert (refusal["mtls_client"], refusal["user_id"]) == ("api-gateway-client", "")


def test_the_policys_own_words_are_recorded() -> None:
    verdict = Verdict(Reason.POLICY_DENIED, ("no role", "no stock"), {"limit": 5})
    denied = record(Deny(Reason.POLICY_DENIED, "", PEER, JOHN, verdict))

    assert denied["reasons"] == ["no role", "no stock"]
    assert denied["policy_audit"] == {"limit": 5}
    refused_later = Deny(Reason.TOKEN_CLAIMS_INVALID, "too long", PEER, JOHN, verdict)
    assert record(refused_later)["reasons"] == ["no role", "no stock", "too long"]


def test_a_shadowed_refusal_is_an_allow_with_its_reason() -> None:
    """What would have been refused can be counted before the policy is enforced."""
    shadowed = record(ALLOW._replace(reason=Reason.POLICY_DENIED))

    assert (shadowed["decision"], shadowed["reason"], shadowed["shadow"]) == ("allow", "policy_denied", True)
    assert not record(Deny(Reason.POLICY_DENIED, "", PEER, JOHN, YES))["shadow"]


def test_a_client_without_a_common_name_is_recorded_by_its_uri() -> None:
    spiffe = PEER._replace(common_name="", uris=("spiffe://mesh/a", "spiffe://mesh/b"))

    assert record(ALLOW._replace(peer=spiffe))["mtls_client"] == "spiffe://mesh/a"
    assert record(ALLOW._replace(peer=NO_PEER), request(peer=b""))["mtls_client"] == ""


def test_a_user_context_goes_before_the_tokens_subject() -> None:
    assert record(user_context="mary")["user_context"] == "mary"
    assert record()["user_context"] == "u1"


def test_a_claim_that_is_no_text_is_not_recorded_as_one() -> None:
    odd = JOHN._replace(values={"sub": 7, "azp": ["x"], "preferred_username": None})

    assert [record(ALLOW._replace(claims=odd))[name] for name in ("user_id", "calling_service", "user_name")] == [
        "",
        "",
        "",
    ]


def test_the_query_and_the_token_are_not_recorded() -> None:
    """Either may hold a secret."""
    asked = request(query="code=s3cret")
    assert asked.authorization is not None

    written = line(asked=asked)

    assert b"s3cret" not in written
    assert asked.authorization.removeprefix("Bearer ").encode() not in written


def test_the_time_of_each_record_is_its_own() -> None:
    """The seconds are kept as text between records: a change of them, in either direction, is noticed."""
    recorder = Recorder(rules())

    def time_of(now: float) -> str:
        raw = recorder.line(
            request(), ALLOW, decision_id="d", correlation_id="c", user_context="", now=now, duration_us=1
        )
        return str(json.loads(raw)["time"])

    moments = [1_800_000_000.0, 1_800_000_000.999999, 1_800_000_001.5, 1_799_999_999.25]
    assert [time_of(now)[-7:] for now in moments] == ["00.000Z", "00.999Z", "01.500Z", "59.250Z"]


@pytest.mark.parametrize(
    "evil",
    ["\n", "\r", "\x1b[31m", "\x00", "\x7f", "\x85", "\x9b31m", "\u2028", "\u2029", "\u202e", "\u2066", '"}\n{"'],
)
def test_nobody_writes_a_second_line_or_steers_a_terminal(evil: str) -> None:
    """Neither for a program that splits at line feeds, nor for one that knows all of Unicode's ends of lines."""
    mallory = PEER._replace(common_name=f"a{evil}b")
    written = line(ALLOW._replace(peer=mallory), request(path=f"/{evil}"), user_context=evil).decode()

    assert len(written.splitlines()) == 1
    assert written.strip("\n").isprintable()
    assert json.loads(written)["mtls_client"] == f"a{evil}b"
    assert json.loads(written)["path"] == f"/{evil}"


def test_names_in_other_scripts_stay_readable() -> None:
    """Only what is treacherous is escaped."""
    assert "Иван".encode() in line(ALLOW._replace(claims=JOHN._replace(values={"preferred_username": "Иван"})))


def test_a_long_field_is_cut_and_the_record_says_so() -> None:
    """The record stays below PIPE_BUF, and the identities in it whole, as long as they are of a sensible length."""
    long_path = record(ALLOW, request(path="/" + "a" * 8000))

    assert long_path["truncated"]
    assert long_path["path"] == "/" + "a" * 1023
    assert (long_path["user_id"], long_path["mtls_client"], long_path["correlation_id"]) == (
        "u1",
        "api-gateway-client",
        "c-1",
    )
    assert not record(ALLOW, request(path="/" + "a" * 2000))["truncated"]


def test_a_large_policy_audit_goes_before_everything_else() -> None:
    verdict = Verdict(Reason.ALLOWED, (), {"x": "a" * 4000})
    cut = record(ALLOW._replace(verdict=verdict))

    assert (cut["policy_audit"], cut["truncated"], cut["path"]) == (None, True, "/orders")
    kept = record(ALLOW._replace(verdict=verdict._replace(audit={"x": 1})), request(path="/" + "a" * 8000))
    assert kept["policy_audit"] == {"x": 1}


def test_the_line_ends_below_the_limit_at_every_length() -> None:
    """4,096 bytes is what a pipe takes in one piece; a line feed before a torn line's successor must fit as well."""
    lengths = [len(line(asked=request(path="/" + "a" * size))) for size in range(3000, 4100)]

    assert max(lengths) + ROOM == MAX_LINE == 4095


@given(st.lists(st.tuples(st.text(max_size=3), st.sampled_from([1, 60, 900])), min_size=25, max_size=25), st.booleans())
def test_whatever_the_texts_it_is_one_whole_short_line(parts: list[tuple[str, int]], allowed: bool) -> None:
    """Valid JSON, at most MAX_LINE bytes, with the decision in it; our own configuration included."""
    method, path, query, host, route, remote, detail, name, uri, *texts = (text * times for text, times in parts)
    service, zone, revision, downstream, context, sub, azp, user, audit, *reasons = texts
    asked = Request(method, path, query, host, route, b"", None, "", {}, remote)
    claims = JOHN._replace(values={"sub": sub, "azp": azp, "preferred_username": user})
    verdict = Verdict(Reason.POLICY_DENIED, tuple(reasons), {"x": audit})
    peer = PEER._replace(common_name=name, uris=(uri,))
    routes = (RouteRules(route, auth_required=True, methods=(), downstream=downstream),)
    given_rules = msgspec.structs.replace(rules(), service=service, zone=zone, revision=revision, routes=routes)
    facts = (Reason.POLICY_DENIED, detail, peer, claims, verdict)
    decision = Allow(b"", *facts) if allowed else Deny(*facts)

    written = line(decision, asked, given_rules, user_context=context)

    fields = json.loads(written)
    assert len(written) + ROOM <= MAX_LINE
    assert len(written.decode().splitlines()) == 1
    assert (fields["decision"], fields["reason"]) == ("allow" if allowed else "deny", "policy_denied")
    assert fields["truncated"] or fields["path"] == path


def test_the_worst_texts_fit() -> None:
    """Every text as long as it gets, of characters that JSON writes in six bytes."""
    worst = "\x00" * 5000
    asked = request(method=worst, path=worst, route=worst, remote=worst)
    peer = PEER._replace(common_name=worst)
    claims = JOHN._replace(values=dict.fromkeys(("sub", "azp", "preferred_username"), worst))
    routes = (RouteRules(worst, auth_required=True, methods=(), downstream=worst),)
    given_rules = msgspec.structs.replace(rules(), service=worst, zone=worst, revision=worst, routes=routes)
    decision = Deny(Reason.TOKEN_ALGORITHM_REFUSED, worst, peer, claims, Verdict(Reason.ALLOWED, (worst,) * 99, worst))

    fields = record(decision, asked, given_rules, user_context=worst, correlation_id="c" * 128, duration_us=2**63)

    assert fields["truncated"]
    assert fields["reasons"] == ["\x00" * 16] * 4
    assert fields["correlation_id"] == "c" * 128


REFUSED = Deny(Reason.CLIENT_NOT_ALLOWED, "", NO_PEER, NO_CLAIMS, None)
MALLORY = certificate([(CN, "mallory"), (O, "MyOrg")])


@pytest.mark.parametrize(
    ("shown", "client"),
    [
        (MALLORY, "mallory"),
        (certificate([(CN, "one"), (CN, "two")]), "one two"),
        (certificate([], names=[x509.UniformResourceIdentifier("spiffe://mesh/a")]), "spiffe://mesh/a"),
        (certificate([]), ""),
        (certificate([(CN, "mallory")], valid=(1.0, 2.0)), "mallory"),
    ],
)
def test_a_refused_certificate_is_told(shown: bytes, client: str) -> None:
    """Else nobody could put it on the denylist. So is one that nobody looks at (`proxy.mtls` off)."""
    fingerprint = sha256(shown).hexdigest()
    for decision in (REFUSED, ALLOW._replace(peer=NO_PEER)):
        told = record(decision, request(peer=in_envoys_form(shown)))
        assert (told["mtls_client"], told["mtls_fingerprint"]) == (client, fingerprint)

    none = record(REFUSED, request(peer=b""))
    assert (none["mtls_client"], none["mtls_fingerprint"]) == ("", "")


@pytest.mark.parametrize("garbage", [b"x", b"%", b"-----BEGIN CERTIFICATE-----", in_envoys_form(MALLORY)[:200]])
def test_what_is_no_certificate_is_recorded_too(garbage: bytes) -> None:
    told = record(REFUSED, request(peer=garbage))

    assert (told["decision"], told["mtls_client"], told["mtls_fingerprint"]) == ("deny", "", "")


def test_the_peer_that_the_gate_knows_comes_first() -> None:
    """What is only shown stands in for nobody."""
    told = record(ALLOW, request(peer=in_envoys_form(MALLORY)))

    assert (told["mtls_client"], told["mtls_fingerprint"]) == ("api-gateway-client", "ab" * 32)
