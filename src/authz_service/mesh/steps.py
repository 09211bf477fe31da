"""The gate's own steps, one after the other, each with its words, for whoever shows why. `Gate.decide` decides."""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct

from authz_rego.values.value import Value
from authz_service.domain.decision import Claims, Peer, Request, Verdict
from authz_service.domain.refusals import Reason, Rejected
from authz_service.errors import KeysUnavailable
from authz_service.ingress.gate import Gate

_NAMES = ("certificate", "form", "token")


class Step(Struct, frozen=True, rename={"name": "step"}):
    """One thing that was looked at. `holds` null: it is taken to hold, for a file is not here."""

    name: str  # handshake | path | certificate | form | token | policy | route | next
    holds: bool | None
    said: str


class Walked(NamedTuple):
    """As far as it came: what the policy was asked, and what it said."""

    steps: tuple[Step, ...]
    document: Value | None = None
    verdict: Verdict | None = None


def walk(gate: Gate, request: Request, decision_id: str) -> Walked:
    """Until one refuses; never raises for a refusal."""
    steps: list[Step] = []
    try:
        peer = gate.require_peer(request)
        steps.append(Step("certificate", True, _peer_text(peer)))
        route, segments = gate.require_form(request)
        steps.append(Step("form", True, f"route {route.name or '(the only one)'}, segments {segments}"))
        claims = gate.require_claims(request, peer, route)
        steps.append(Step("token", True, _claims_text(claims)))
        document = gate.policy_input(request, peer, claims, segments, decision_id, request.correlation_id)
        verdict = gate.evaluate(document)
    except Rejected as refused:
        detail = f" ({refused.detail})" if refused.detail else ""
        return Walked((*steps, Step(_NAMES[len(steps)], False, f"{refused.reason}{detail}")))
    except KeysUnavailable as missing:
        return Walked((*steps, Step("token", False, str(missing))))
    steps.append(Step("policy", verdict.reason is Reason.ALLOWED, _verdict_text(verdict)))
    return Walked(tuple(steps), document, verdict)


def _peer_text(peer: Peer) -> str:
    return f"{peer.name} may call" if peer.name else "none is needed, none was shown"


def _claims_text(claims: Claims) -> str:
    if not claims.values:
        return "none is needed, none was sent"
    kind = "a service" if claims.is_service else "a user"
    name = claims.values.get("preferred_username")
    who = claims.values.get("sub") if name is None else name
    return f"{who}, {kind}, client {claims.client or '-'}, issued by {claims.issuer}"


def _verdict_text(verdict: Verdict) -> str:
    reasons = f": {'; '.join(verdict.reasons)}" if verdict.reasons else ""
    if verdict.step_up is None:
        return f"{verdict.reason}{reasons}"
    acr_values, max_age = verdict.step_up
    age = "any age" if max_age is None else f"at most {max_age} s ago"
    return f"{verdict.reason}{reasons} (wants a sign-in with acr {acr_values or 'of any value'}, {age})"
