"""Whether an allowed request's like may be allowed without being judged anew, and until when. Not who is alike.

Another request is its like when everything that Envoy asks with is the same, but for the correlation id
(`ext_authz.remembered`). What is judged beside that is the clock, and what only one request has: its ids.
"""

from __future__ import annotations

from typing import NamedTuple

from authz_rego.check.clock import Clock, Turn
from authz_rego.values.number import Number, float64
from authz_rego.values.value import Value
from authz_service import headers
from authz_service.domain.decision import Claims, Decision, Deny, Peer
from authz_service.domain.refusals import Reason
from authz_service.domain.rules import GateRules, RouteRules
from authz_service.ingress.owned_headers import claim_at
from authz_service.policy.decide.engine import PolicyEngine
from authz_service.policy.decide.reads import Reads

NEVER = 0.0
_MARGIN = 1.0  # seconds before a comparison with the clock turns: numbers of Rego are exact, ours are not


class WhyNot(NamedTuple):
    """Why no answer of these rules can be repeated."""

    label: str  # of the metric
    words: str


class Repeatable:
    """Of one revision of the rules."""

    def __init__(self, rules: GateRules, policy: object) -> None:
        """`policy`: the gate's."""
        self._rules = rules
        self._clock = policy.clock if isinstance(policy, PolicyEngine) else Clock()
        self.why_not = self._why_not(policy)

    def _why_not(self, policy: object) -> WhyNot | None:
        if not self._rules.remember:
            return WhyNot("off", "proxy.authz.remember is 0")
        if policy is None:
            return None
        if not isinstance(policy, PolicyEngine):
            return WhyNot("another_opa", "an OPA on this host is asked, or a bundle that is not here yet")
        if self._clock.unbounded is not None:
            place = self._clock.unbounded
            return WhyNot("clock", f"reads the clock in a way that cannot be bounded, {place.file} line {place.row}")
        return _why_ids(policy.reads, self._rules.headers.extract)

    def until(self, decision: Decision, route: RouteRules | None, now: float, listed_until: float) -> float:
        """The moment from which on its like must be judged anew; NEVER: each of them. `listed_until`: the end of what
        the gate knows of revoked certificates.
        """
        peer, claims = decision.peer, decision.claims
        if self.why_not is not None or isinstance(decision, Deny) or decision.reason is not Reason.ALLOWED:
            return NEVER
        if route is None or route.introspect or not _is_held_by(peer, claims):
            return NEVER
        ends = [now + self._rules.remember, listed_until, peer.not_after, claims.expires_at]
        for turn in self._clock.turns:
            moment = _moment(turn, claims)
            if moment is None or abs(moment - now) <= _MARGIN:
                return NEVER
            if moment > now:
                ends.append(moment - _MARGIN)
        return min(ends)


def _is_held_by(peer: Peer, claims: Claims) -> bool:
    """Not by grace: that ends by itself (`jwt.binding_grace`)."""
    return not claims.certificate or claims.certificate == peer.fingerprint


def _moment(turn: Turn, claims: Claims) -> float | None:
    """In seconds since the epoch. None: it cannot be told, or is not of the token."""
    root, *path = turn.path
    value = _number(claims.values, path) if root == "token" else None
    return None if value is None else value * turn.factor + turn.offset


def _number(values: dict[str, Value], path: list[str]) -> float | None:
    found = claim_at(values, tuple(path))
    return float64(found) if type(found) is int or type(found) is Number else None


def _why_ids(reads: Reads, extract: tuple[str, ...]) -> WhyNot | None:
    ids = "reads what each request has of its own: "
    if reads is None:
        return WhyNot("ids", f"{ids}the whole input, and so the decision's id")
    if "decision_id" in reads:
        return WhyNot("ids", f"{ids}input.decision_id")
    if headers.CORRELATION_ID not in map(str.lower, extract):
        return None
    of_headers = reads.get("headers", {})
    if of_headers is None:
        return WhyNot("ids", f"{ids}all of input.headers, and so the correlation id")
    if headers.CORRELATION_ID in map(str.lower, of_headers):
        return WhyNot("ids", f"{ids}the correlation id")
    return None
