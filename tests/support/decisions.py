"""A gate of real parts for a service behind the gateway, and a request that it lets pass."""

from collections.abc import Callable
from functools import cache
from typing import TypeVar

import msgspec
from tests.support.client_certificates import certificate, in_envoys_form
from tests.support.tokens import AUDIENCE, ISSUER, LEEWAY, NOW, an_rsa_signer, jwk, jwks, mint

from authz_service.domain.decision import Request
from authz_service.domain.questions import Absent, Answer, Answers, Asked, Known
from authz_service.domain.refusals import Reason, Rejected
from authz_service.domain.rules import (
    ClientRule,
    GateRules,
    HeaderRules,
    IssuerKeys,
    IssuerRules,
    PeerRules,
    PolicySource,
    RouteRules,
)
from authz_service.headers import listener_tag
from authz_service.identity.certificates import Peers
from authz_service.identity.tokens import TokenVerifier
from authz_service.ingress.gate import Gate, Policy
from authz_service.policy.decide.engine import PolicyEngine

POLICY = """package order
import rego.v1
default allow := false
allow if {
    input.mtls.subject.CN == "api-gateway-client"
    input.request.segments[0] == "orders"
    "orders:create" in input.token.realm_access.roles
}
"""
HEADERS = HeaderRules(
    pass_token=True,
    inject=(("sub", "X-User-ID"), ("email", "X-User-Email"), ("realm_access.roles", "X-User-Roles")),
    extract=("X-User-Context", "X-Correlation-ID"),
)


PEERS = PeerRules(required=True, allowed=(ClientRule((("CN", "api-gateway-client"), ("O", "MyOrg"))),))
_T = TypeVar("_T")


def policy(text: str = POLICY, query: str = "data.order.allow") -> PolicySource:
    return PolicySource(query, (("order.rego", text),))


def rules(**changes: object) -> GateRules:
    """The rules of an order service that only the gateway may call, for a user with a role."""
    good = GateRules(
        revision="r1",
        service="order-service",
        zone="zone2",
        peers=PEERS,
        issuers=(IssuerRules(ISSUER, (AUDIENCE,), ("RS256", "ES256"), LEEWAY),),
        policy=policy(),
        shadow=False,
        headers=HEADERS,
        routes=(RouteRules("", auth_required=True, methods=(), downstream="order"),),
        audit_path="-",
        audit_required=True,
    )
    return msgspec.structs.replace(good, **changes)


def keys() -> IssuerKeys:
    return IssuerKeys(ISSUER, jwks(jwk(an_rsa_signer())))


def gate(
    given: GateRules,
    now: Callable[[], float] = lambda: NOW,
    engine: Policy | None = None,
    known: Known | None = None,
) -> Gate:
    """With the very parts that a worker has, and the issuer's keys. `engine` takes the policy's place; `known` is what
    was answered so far.
    """
    known = known or Answers(now)
    peers = None if given.peers is None else Peers(given.peers, now)
    tokens = TokenVerifier(given.issuers, now, known) if given.issuers else None
    if tokens is not None:
        tokens.set_keys(keys())
    if engine is None and given.policy is not None:
        engine = PolicyEngine(given.policy)
    return Gate(given, peers, tokens, engine, known)


class AllAsked:
    """Whoever was to be asked has been, and has nothing."""

    def require(self, _: Asked) -> Answer:
        return Absent()


@cache
def gateways_certificate() -> bytes:
    return in_envoys_form(certificate())


@cache
def johns_token() -> str:
    return mint()


def request(**changes: object) -> Request:
    """John creates an order through the gateway."""
    good = Request(
        method="POST",
        path="/orders",
        query="",
        host="order-service.zone2.local",
        route="",
        peer=gateways_certificate(),
        authorization=f"Bearer {johns_token()}",
        correlation_id="c-1",
        extracted={"x-user-context": "john"},
        remote="10.0.1.10",
        listener=listener_tag(name for _, name in HEADERS.inject).encode(),
    )
    return good._replace(**changes)  # type: ignore[arg-type]  # a test names the field and its value


def unless_refused(reason: Reason, action: Callable[[], _T]) -> _T | None:
    """What the action gives; None when it refuses for this very reason. Anything else is an error."""
    try:
        return action()
    except Rejected as refusal:
        if refusal.reason is not reason:
            raise
        return None
