"""The gate with its real parts: one wrong thing is enough to be refused (DESIGN §5, SECURITY T1, T9, T13-T15, T25)."""

import json
from functools import cache

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.client_certificates import CN, O, certificate, in_envoys_form
from tests.support.decisions import (
    HEADERS,
    PEERS,
    AllAsked,
    gate,
    gateways_certificate,
    johns_token,
    policy,
    request,
    rules,
)
from tests.support.tokens import ISSUER, NOW, good_claims, mint, service_claims

from authz_service import headers
from authz_service.domain.decision import NO_CLAIMS, NO_PEER, Allow, Decision, Deny, Request
from authz_service.domain.questions import Key, NotReady
from authz_service.domain.refusals import Reason
from authz_service.domain.rules import GateRules, IssuerKeys, PeerRules, RouteRules, TokenDenials
from authz_service.identity.certificates import Peers
from authz_service.identity.tokens import TokenVerifier
from authz_service.ingress.gate import Gate
from authz_service.policy.decide.engine import PolicyEngine

PUBLIC = RouteRules("", auth_required=False, methods=(), downstream="order")
texts = st.text(st.characters(codec="latin-1"), max_size=20)
EVERYTHING = policy("package order\nallow := true")
ECHO = policy('package order\nallow := {"allow": true, "audit": input}')


def decide(asked: Request, given_rules: GateRules | None = None) -> Decision:
    return gate(given_rules or rules()).decide(asked, "d1", "c1")


def document(asked: Request, given_rules: GateRules | None = None) -> dict[str, object]:
    """The input that the policy saw."""
    seen = decide(asked, msgspec.structs.replace(given_rules or rules(), policy=ECHO))
    assert seen.verdict is not None
    assert isinstance(seen.verdict.audit, msgspec.Raw)
    found: dict[str, object] = json.loads(bytes(seen.verdict.audit))
    return found


@cache
def strict_gate() -> Gate:
    return gate(rules(), known=AllAsked())


@cache
def open_gate() -> Gate:
    return gate(
        rules(
            peers=None, issuers=(), headers=msgspec.structs.replace(HEADERS, extract=("X-Tenant",)), policy=EVERYTHING
        )
    )


def token(**changes: object) -> str:
    return f"Bearer {mint(good_claims(NOW, **changes))}"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"peer": b""}, Reason.CLIENT_CERT_MISSING),
        ({"peer": b"garbage"}, Reason.CLIENT_CERT_INVALID),
        ({"peer": in_envoys_form(certificate(valid=(NOW - 9, NOW - 1)))}, Reason.CLIENT_CERT_EXPIRED),
        ({"peer": in_envoys_form(certificate([(CN, "mallory"), (O, "MyOrg")]))}, Reason.CLIENT_NOT_ALLOWED),
        ({"route": "-"}, Reason.ROUTE_NOT_FOUND),
        ({"host": "a,b"}, Reason.REQUEST_INVALID),
        ({"method": "TRACE"}, Reason.METHOD_NOT_ALLOWED),
        ({"path": "/orders/%2e%2e/admin"}, Reason.PATH_REFUSED),
        ({"query": "&" * 300}, Reason.REQUEST_INVALID),
        ({"authorization": None}, Reason.TOKEN_MISSING),
        ({"of_another_page": True}, Reason.BROWSER_REFUSED),
        ({"authorization": f"Bearer {johns_token()},Bearer {johns_token()}"}, Reason.TOKEN_MALFORMED),
        ({"authorization": f"Basic {johns_token()}"}, Reason.TOKEN_MISSING),
        ({"authorization": f"Basic x,Bearer {johns_token()}"}, Reason.TOKEN_MALFORMED),
        ({"authorization": token(exp=NOW - 100)}, Reason.TOKEN_EXPIRED),
        ({"authorization": token(aud="other")}, Reason.TOKEN_AUDIENCE_REFUSED),
        ({"authorization": token(realm_access={"roles": ["customer"]})}, Reason.POLICY_DENIED),
        ({"path": "/admin"}, Reason.POLICY_DENIED),
        ({"authorization": f"Bearer {mint(service_claims('payment-service'))}"}, Reason.TOKEN_CLIENT_MISMATCH),
        ({"authorization": token(realm_access={"roles": ["orders:create", "a\nb"]})}, Reason.TOKEN_CLAIMS_INVALID),
    ],
)
def test_one_wrong_thing_is_enough_to_be_refused(change: dict[str, object], reason: Reason) -> None:
    """The good request passes; with one change it does not, and the service gets nothing."""
    good, asked = request(), gate(rules())
    allowed = [asked.decide(good, "d1", "c1") for _ in range(4)]  # known as well as can be
    refused = asked.decide(good._replace(**change), "d1", "c1")  # type: ignore[arg-type]

    assert {(type(each), each.reason) for each in allowed} == {(Allow, Reason.ALLOWED)}
    assert (type(refused), refused.reason) == (Deny, reason)


def test_what_is_wrong_is_refused_as_often_as_it_comes() -> None:
    """And what is good goes on being judged by its time, its keys and the denylist."""
    time, bad = [NOW], f"Bearer {johns_token()[:-4]}AAAA"
    asked = gate(rules(), lambda: time[0])

    def reason(**change: object) -> Reason:
        return asked.decide(request(**change), "d1", "c1").reason

    assert {reason(host="a,b") for _ in range(4)} == {Reason.REQUEST_INVALID}
    assert {reason(authorization=bad) for _ in range(4)} == {Reason.TOKEN_SIGNATURE_INVALID}
    assert {reason() for _ in range(4)} == {Reason.ALLOWED}
    asked.deny_tokens(TokenDenials(claims=((ISSUER, "azp", "web-app"),)))
    assert reason() is Reason.TOKEN_REVOKED
    asked.deny_tokens(TokenDenials())
    assert reason() is Reason.ALLOWED
    time[0] += 100_000
    assert reason() is Reason.CLIENT_CERT_EXPIRED


def test_what_was_found_before_the_refusal_is_in_the_decision() -> None:
    """For the audit record: who it was, as far as that was proven."""
    good, bad_token = decide(request()), decide(request(authorization="Bearer x"))
    bad_peer, denied = decide(request(peer=b"x")), decide(request(path="/admin"))

    assert good.peer.common_name == bad_token.peer.common_name == denied.peer.common_name == "api-gateway-client"
    assert bad_peer.peer is NO_PEER
    assert good.claims.values["preferred_username"] == denied.claims.values["preferred_username"] == "john"
    assert bad_token.claims is bad_peer.claims is NO_CLAIMS
    assert denied.verdict is not None
    assert bad_token.verdict is None
    assert bad_token.detail


def test_an_allowed_request_carries_the_identity_for_the_service() -> None:
    decision = decide(request())

    assert isinstance(decision, Allow)
    assert b"x-user-id: f1b2c3d4-0000-4000-8000-000000000001\r\n" in decision.headers
    assert b"x-user-roles: customer,orders:create\r\n" in decision.headers


class TestWhereAPartIsOff:
    """What the configuration switches off is not looked at, and nothing else goes with it."""

    def test_without_mtls_no_certificate_is_asked_for(self) -> None:
        given = rules(peers=None, policy=EVERYTHING)

        assert isinstance(decide(request(peer=b""), given), Allow)
        assert decide(request(peer=gateways_certificate()), given).peer is NO_PEER
        assert decide(request(peer=b"", authorization=None), given).reason is Reason.TOKEN_MISSING

    def test_without_authentication_no_token_is_asked_for(self) -> None:
        given = rules(issuers=(), policy=EVERYTHING)

        assert isinstance(decide(request(authorization=None), given), Allow)
        assert decide(request(authorization="Bearer x"), given).claims is NO_CLAIMS
        assert decide(request(authorization=None, peer=b""), given).reason is Reason.CLIENT_CERT_MISSING

    def test_without_authentication_there_is_nothing_to_deny_and_nothing_to_tell(self) -> None:
        """A denylist for a gate that looks at no token changes nothing; nor has its record anybody's claims."""
        off = gate(rules(issuers=(), policy=EVERYTHING))
        off.deny_tokens(TokenDenials())

        assert isinstance(off.decide(request(authorization=None), "d1", "c1"), Allow)
        assert off.signed_claims(request()) is NO_CLAIMS

    @pytest.mark.parametrize("header", [None, "Bearer a b", "Bearer"])
    def test_a_record_has_no_claims_of_what_is_no_token(self, header: str | None) -> None:
        assert gate(rules()).signed_claims(request(authorization=header)) is NO_CLAIMS
        assert gate(rules()).signed_claims(request()).values["sub"]

    def test_without_authorisation_who_is_known_may_pass(self) -> None:
        given = rules(policy=None)

        assert isinstance(decide(request(path="/admin"), given), Allow)
        assert decide(request(path="/admin", authorization=None), given).reason is Reason.TOKEN_MISSING

    @pytest.mark.parametrize("missing", ["peers", "tokens", "policy"])
    def test_a_gate_that_lacks_a_step_of_its_rules_is_not_built(self, missing: str) -> None:
        """It would be an open door."""
        given = rules()
        assert given.peers is not None
        assert given.policy is not None
        parts = {
            "peers": Peers(given.peers, lambda: NOW),
            "tokens": TokenVerifier(given.issuers, lambda: NOW, AllAsked()),
            "policy": PolicyEngine(given.policy),
        }
        Gate(given, **parts)  # type: ignore[arg-type]

        with pytest.raises(ValueError, match="do not agree"):
            Gate(given, **{**parts, missing: None})  # type: ignore[arg-type]


class TestTokens:
    def test_a_public_route_needs_no_token_and_refuses_a_wrong_one(self) -> None:
        given = rules(routes=(PUBLIC,), policy=EVERYTHING)

        assert isinstance(decide(request(authorization=None), given), Allow)
        assert decide(request(authorization=token()), given).claims.values["azp"] == "web-app"
        assert decide(request(authorization="Bearer x"), given).reason is Reason.TOKEN_MALFORMED
        assert decide(request(authorization=None), rules(policy=EVERYTHING)).reason is Reason.TOKEN_MISSING

    def test_a_services_token_needs_that_services_certificate(self) -> None:
        """Nobody else's, and not none where a certificate is only asked for (SECURITY T9)."""
        optional = msgspec.structs.replace(PEERS, required=False)
        own, foreign = (f"Bearer {mint(service_claims(name))}" for name in ("api-gateway", "payment-service"))

        def reason(peers: PeerRules, **changes: object) -> Reason:
            return decide(request(**changes), rules(peers=peers, policy=EVERYTHING)).reason

        assert reason(optional, authorization=own) is Reason.ALLOWED
        assert reason(optional, authorization=foreign) is Reason.TOKEN_CLIENT_MISMATCH
        assert reason(optional, authorization=own, peer=b"") is Reason.TOKEN_CLIENT_MISMATCH
        assert reason(optional, peer=b"") is Reason.ALLOWED
        unbound = msgspec.structs.replace(optional, bind_service_tokens=False)
        assert reason(unbound, authorization=foreign) is Reason.ALLOWED

    def test_a_key_that_is_missing_is_asked_for_once(self) -> None:
        """The first time the shell is asked to fetch it, the second time the token is refused."""
        unknown = request(authorization=f"Bearer {mint(header={'kid': 'new'})}")

        with pytest.raises(NotReady) as missing:
            gate(rules()).decide(unknown, "d1", "c1")
        assert missing.value.question == Key(ISSUER, "new")
        assert gate(rules(), known=AllAsked()).decide(unknown, "d1", "c1").reason is Reason.TOKEN_KEY_UNKNOWN

    def test_an_issuer_without_keys_is_our_trouble_not_the_callers(self) -> None:
        """503, with the peer on record; no token is accepted meanwhile."""
        given = rules()
        tokens = TokenVerifier(given.issuers, lambda: NOW, AllAsked())
        assert given.peers is not None
        assert given.policy is not None
        opened = Gate(given, Peers(given.peers, lambda: NOW), tokens, PolicyEngine(given.policy))

        decision = opened.decide(request(), "d1", "c1")

        assert (type(decision), decision.reason) == (Deny, Reason.KEYS_UNAVAILABLE)
        assert decision.peer.common_name == "api-gateway-client"
        tokens.set_keys(IssuerKeys(ISSUER, ""))
        assert isinstance(opened.decide(request(), "d1", "c1"), Deny)


class TestShadow:
    def test_only_the_policy_is_not_enforced(self) -> None:
        """Its refusal is recorded; the peer's and the token's are enforced as ever."""
        given = rules(shadow=True)

        shadowed, good = decide(request(path="/admin"), given), decide(request())
        assert isinstance(shadowed, Allow)
        assert isinstance(good, Allow)
        assert shadowed.reason is Reason.POLICY_DENIED
        assert shadowed.headers == good.headers
        assert decide(request(), given).reason is Reason.ALLOWED
        for change in ({"peer": b""}, {"authorization": None}, {"path": "/%2e%2e"}, {"route": "-"}):
            assert isinstance(decide(request(**change), given), Deny)

    @pytest.mark.parametrize("rule", ["allow := 5", "allow if input.nothing"])
    def test_a_policy_without_an_answer_is_shadowed_too(self, rule: str) -> None:
        broken = rules(policy=policy(f"package order\nimport rego.v1\n{rule}"))
        enforced, shadowed = decide(request(), broken), decide(request(), msgspec.structs.replace(broken, shadow=True))

        assert isinstance(enforced, Deny)
        assert (type(shadowed), shadowed.reason) == (Allow, enforced.reason)


class TestPolicyInput:
    def test_the_document_is_the_one_that_the_docs_promise(self) -> None:
        """Every member, with names as configured (DESIGN §5)."""
        asked = request(
            path="/orders/a%20b", query="x=1&x=2", correlation_id="ignored", method="GET", route="/orders/**"
        )
        given = rules(routes=(RouteRules("/orders/**", auth_required=True, methods=("GET",), downstream=""),))

        seen = document(asked, given)

        mtls, claims = seen.pop("mtls"), seen.pop("token")
        assert isinstance(mtls, dict)
        assert isinstance(claims, dict)
        assert (mtls["verified"], mtls["subject"]["CN"]) == (True, "api-gateway-client")
        assert claims == good_claims()
        assert seen == {
            "request": {
                "method": "GET",
                "path": "/orders/a%20b",
                "segments": ["orders", "a b"],
                "query": {"x": ["1", "2"]},
                "host": "order-service.zone2.local",
            },
            "headers": {"X-User-Context": "john", "X-Correlation-ID": "c1"},
            "route": "/orders/**",
            "decision_id": "d1",
        }

    def test_what_is_not_there_is_empty(self) -> None:
        """No certificate: not verified. No token: an empty object. No header: no member."""
        given = rules(peers=None, issuers=())
        seen = document(request(extracted={}), given)

        assert seen["mtls"] == {"verified": False, "subject": {}, "san": {"uri": [], "dns": []}}
        assert seen["token"] == {}
        assert seen["headers"] == {"X-Correlation-ID": "c1"}

    def test_a_user_context_needs_a_verified_peer(self) -> None:
        """A stranger at the edge does not say on whose behalf he acts (SECURITY T25)."""
        strangers = rules(peers=None)

        assert "X-User-Context" in str(document(request()))
        assert "X-User-Context" not in str(document(request(), strangers))

    def test_other_headers_are_strangers_to_speak(self) -> None:
        given = rules(peers=None, headers=msgspec.structs.replace(HEADERS, extract=("X-Tenant",)))

        assert document(request(extracted={"x-tenant": "t1"}), given)["headers"] == {"X-Tenant": "t1"}

    @given(
        st.builds(
            Request,
            method=st.sampled_from(["GET", "POST"]),
            path=texts.map(lambda text: f"/{text}"),
            query=texts,
            host=st.just("h"),
            route=st.just(""),
            peer=st.just(b""),
            authorization=st.none(),
            correlation_id=st.just("c1"),
            extracted=st.fixed_dictionaries({}, optional=dict.fromkeys(["x-tenant", headers.USER_CONTEXT], texts)),
            remote=st.just(""),
            evaluation=st.just(""),
        )
    )
    def test_no_request_can_break_out_of_its_place(self, asked: Request) -> None:
        """The document's members come from us, whatever the texts in them hold."""
        opened = open_gate()
        if opened.decide(asked, "d1", "c1").reason in {Reason.PATH_REFUSED, Reason.REQUEST_INVALID}:
            return
        _, segments = opened.require_form(asked)

        seen = opened.policy_input(asked, NO_PEER, NO_CLAIMS, segments, "d1", "c1")

        assert list(seen) == ["mtls", "token", "request", "headers", "route", "decision_id"]
        assert list(seen["request"]) == ["method", "path", "segments", "query", "host"]
        assert seen["request"]["path"] == asked.path
        assert seen["headers"] == ({"X-Tenant": asked.extracted["x-tenant"]} if "x-tenant" in asked.extracted else {})
        assert seen["token"] == {}


@given(
    st.builds(
        Request,
        method=texts | st.just("POST"),
        path=texts | st.just("/orders"),
        query=texts,
        host=texts | st.just("h"),
        route=texts | st.just(""),
        peer=st.binary(max_size=200) | st.just(gateways_certificate()),
        authorization=st.none() | texts | texts.map(lambda text: f"Bearer {text}"),
        correlation_id=texts,
        extracted=st.dictionaries(st.sampled_from(["x-user-context"]), texts),
        remote=texts,
    )
)
def test_garbage_in_is_a_refusal_out(asked: Request) -> None:
    """No token of ours is in it, so there is no way to be allowed; and nothing is raised."""
    decision = strict_gate().decide(asked, "d1", "c1")

    assert isinstance(decision, Deny)


def test_a_path_that_decodes_into_a_guarded_route_is_not_let_in_by_an_open_one() -> None:
    """Envoy compares paths as written: without this, `/jobs%3Arun` would need no token where `/jobs:run` does."""
    guarded = RouteRules("/jobs:run", auth_required=True, methods=(), downstream="")
    open_route = RouteRules("/**", auth_required=False, methods=(), downstream="")
    given = rules(routes=(guarded, open_route), policy=None)

    harmless = decide(request(path="/jobs%3Awalk", route="/**", authorization=None), given)
    assert harmless.reason is Reason.ALLOWED
    hostile = decide(request(path="/jobs%3Arun", route="/**", authorization=None), given)
    assert (type(hostile), hostile.reason) == (Deny, Reason.PATH_REFUSED)


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/jobs/group%2Fproject", True),
        ("/jobs/100%25", True),
        ("/jobs/admin%2Fx", False),  # to a service that splits it: /jobs/admin/x
        ("/jobs%2Fadmin%2Fx", False),
        ("/jobs/%2Fadmin/x", False),  # to one that leaves out empty segments
        ("/jobs/admin%252Fx", False),  # to one that decodes twice
        ("/jobs/admi%256E/x", False),
        ("/jobs/x%2F..%2Fadmin%2Fx", False),
        ("/jobs/administrator%2Fx", True),
    ],
)
def test_an_escaped_slash_is_no_way_past_another_routes_rules(path: str, allowed: bool) -> None:
    """Below /jobs/admin a token is needed. Where escaped slashes are not allowed none of these is."""
    guarded = RouteRules("/jobs/admin/**", auth_required=True, methods=(), downstream="")
    for encoded in (True, False):
        lax = RouteRules("/jobs/**", auth_required=False, methods=(), downstream="", encoded_slashes=encoded)
        given = rules(routes=(guarded, lax), policy=None)

        decision = decide(request(path=path, route="/jobs/**", authorization=None), given)

        assert isinstance(decision, Allow) is (allowed and encoded)
        assert decision.reason is (Reason.ALLOWED if allowed and encoded else Reason.PATH_REFUSED)


def test_the_policy_sees_an_escaped_slash_within_its_segment() -> None:
    route = RouteRules("", auth_required=True, methods=(), downstream="", encoded_slashes=True)

    seen = document(request(path="/items/group%2Fproject/x"), rules(routes=(route,)))["request"]

    assert isinstance(seen, dict)
    assert (seen["path"], seen["segments"]) == ("/items/group%2Fproject/x", ["items", "group/project", "x"])


@pytest.mark.parametrize(
    "header", ["Basic dTpw", "Bearer static-password", "Bearer a.b.c,Bearer d.e.f", "Bearer", None]
)
def test_where_tokens_are_ignored_none_is_looked_at(header: str | None) -> None:
    """Nobody is known then; where one is optional, a wrong one is refused, and another scheme is none."""
    ignoring = rules(routes=(msgspec.structs.replace(PUBLIC, ignore_tokens=True),), policy=None)
    optional = rules(routes=(PUBLIC,), policy=None)

    ignored = decide(request(authorization=header), ignoring)
    assert isinstance(ignored, Allow)
    assert ignored.claims is NO_CLAIMS
    assert b"x-user-id: " not in ignored.headers

    assert isinstance(decide(request(authorization=header), optional), Allow) is (header in {"Basic dTpw", None})
    assert isinstance(decide(request(authorization=header, peer=b""), ignoring), Deny)
    good = request(authorization=token())
    assert decide(good, ignoring).claims is NO_CLAIMS
    assert gate(ignoring).signed_claims(good) is NO_CLAIMS
    assert gate(optional).signed_claims(good).values["sub"] == good_claims()["sub"]
    gate(ignoring).require_still_known(request(authorization=header))


def test_one_path_may_have_other_rules_for_other_methods() -> None:
    """Whoever reads needs no token; a method that nobody has is 405."""
    routes = (
        RouteRules("/orders/**", auth_required=False, methods=("GET", "HEAD"), downstream=""),
        RouteRules("/orders/**", auth_required=True, methods=("POST",), downstream=""),
    )
    given = rules(routes=routes, policy=None)

    def reason(method: str) -> Reason:
        return decide(request(method=method, route="/orders/**", authorization=None), given).reason

    assert reason("GET") is Reason.ALLOWED
    assert reason("POST") is Reason.TOKEN_MISSING
    assert reason("DELETE") is Reason.METHOD_NOT_ALLOWED
    assert isinstance(decide(request(method="POST", route="/orders/**"), given), Allow)
