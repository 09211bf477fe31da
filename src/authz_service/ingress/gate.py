"""The gate: who connects, whose token, what the policy says, which headers the service gets. No I/O, no fetching."""

from __future__ import annotations

from typing import Protocol

from authz_rego.values.value import Value
from authz_service import request_form
from authz_service.domain.bounded import Bounded
from authz_service.domain.decision import NO_CLAIMS, NO_PEER, Allow, Claims, Deny, Peer, Request, Verdict
from authz_service.domain.questions import Absent, Active, Known
from authz_service.domain.refusals import ALLOWED, Reason, Rejected
from authz_service.domain.rules import GateRules, RouteRules, TokenDenials
from authz_service.domain.seen_lately import SeenLately
from authz_service.errors import KeysUnavailable
from authz_service.identity.bearer import bearer_token
from authz_service.identity.client_binding import require_same_client
from authz_service.identity.token_binding import Renewals, require_holder
from authz_service.ingress.evaluation_input import evaluation_input
from authz_service.ingress.owned_headers import NOTHING_OWNED, OwnedHeaders
from authz_service.ingress.policy_input import PolicyInput, extracted_header
from authz_service.ingress.repeatable import NEVER, Repeatable
from authz_service.ingress.route_table import RouteTable
from authz_service.policy.decide.reads import Reads

_MAX_FORMS = 1024
_MAX_BEARERS, _MAX_BEARER, _MAX_SEEN = 1024, 4096, 8192  # an ordinary header has 1 to 2 KiB
_NOT_ASKED = Verdict(ALLOWED, (), None)
_FORMER_ROUTE = RouteRules("", auth_required=False, methods=(), downstream="")  # of an earlier configuration


class Peers(Protocol):
    @property
    def renewals(self) -> Renewals: ...

    @property
    def listed_until(self) -> float: ...

    def require_allowed(self, pem: bytes) -> Peer: ...


class Tokens(Protocol):
    def deny(self, denials: TokenDenials) -> None: ...

    def verify(self, token: str) -> Claims: ...

    def find_signed(self, token: str) -> Claims: ...


class Policy(Protocol):
    @property
    def reads(self) -> Reads: ...

    def evaluate(self, document: Value) -> Verdict: ...


class Gate:
    """One revision of the rules. Every method is synchronous and pure but for the caches of its parts."""

    def __init__(
        self,
        rules: GateRules,
        peers: Peers | None,
        tokens: Tokens | None,
        policy: Policy | None,
        known: Known | None = None,
    ) -> None:
        """Raises ValueError when a step that the rules ask for is missing: it would be an open door."""
        asked = rules.policy or rules.policy_server or (rules.policy_awaited or None)
        for part, its_rules in ((peers, rules.peers), (tokens, rules.issuers or None), (policy, asked)):
            if (part is None) != (its_rules is None):
                raise ValueError("the rules and the gate's steps do not agree")
        if known is None and any(route.introspect for route in rules.routes):
            raise ValueError("a route wants its tokens introspected, and nobody does it")
        self.rules = rules
        self._peers = peers
        self._tokens = tokens
        self.policy = policy
        self._known = known
        self._graces = {issuer.issuer: issuer.binding_grace for issuer in rules.issuers}
        self.owned = OwnedHeaders(rules.headers)
        self.routes = RouteTable(rules.routes)
        self._input = PolicyInput(rules.headers.extract)
        # Of requests that differ in their path alone: where the form was good, and the token in the header. Read once,
        # for an eighth of a decision (bench/decision.py); whether the token is still good is asked each time.
        self._forms: Bounded[tuple[str, str, str], RouteRules] = Bounded(_MAX_FORMS)
        self._bearers: Bounded[str, str] = Bounded(_MAX_BEARERS)
        self._seen = SeenLately(_MAX_SEEN)
        self.repeatable = Repeatable(rules, policy)

    def decide(self, request: Request, decision_id: str, correlation_id: str) -> Allow | Deny:
        """Allowed or refused, with the reason and what was found on the way; never an allow that a step did not earn.

        Raises NotReady: have its question answered, and ask again with the same ids.
        """
        peer, claims, verdict, owned = NO_PEER, NO_CLAIMS, None, NOTHING_OWNED
        try:
            if request.evaluation:
                claims, document = self._evaluated(request, decision_id)
            else:
                peer = self.require_peer(request)
                route, segments = self.require_form(request)
                claims = self.require_claims(request, peer, route)
                document = self._input.document(request, peer, claims, segments, decision_id, correlation_id)
            verdict = self.evaluate(document)
            if verdict.reason is not ALLOWED and not self.rules.shadow:
                return Deny(verdict.reason, "", peer, claims, verdict)
            if not request.evaluation:  # which has no service behind it
                owned = self.owned.for_app(peer, claims, verdict.headers)
        except Rejected as refusal:
            return Deny(refusal.reason, refusal.detail, peer, claims, verdict)
        except KeysUnavailable as broken:
            return Deny(Reason.KEYS_UNAVAILABLE, str(broken), peer, claims, verdict)
        return Allow(owned.lines, verdict.reason, owned.shortened, peer, claims, verdict)

    def _evaluated(self, request: Request, decision_id: str) -> tuple[Claims, Value]:
        """AuthZEN's question. Whoever may ask has told subject and resource himself: the policy alone is asked. The
        subject, for the record, and the document.
        """
        if request.route not in self.rules.evaluated_for or self.policy is None:
            raise Rejected(Reason.ROUTE_NOT_FOUND)
        document, subject = evaluation_input(request, decision_id)
        return Claims({"sub": subject}, "", float("inf")), document

    def with_policy(self, policy: Policy) -> Gate:
        """The same steps before another policy."""
        return Gate(self.rules, self._peers, self._tokens, policy, self._known)

    def look_at_peers_with(self, peers: Peers) -> None:
        """Other rules about certificates from now on: what was revoked since."""
        self._peers = peers

    def deny_tokens(self, denials: TokenDenials) -> None:
        """Other tokens are revoked from now on."""
        if self._tokens is not None:
            self._tokens.deny(denials)

    def require_still_known(self, request: Request) -> None:
        """Whoever opened a request in progress would be known again: his certificate, his token, and both together.

        Raises as `decide`, and what that turns into a decision: Rejected, KeysUnavailable.
        """
        peer, route = self.require_peer(request), self.routes.find_rules(request.route, request.method)
        self.require_claims(request, peer, route or _FORMER_ROUTE)

    def require_peer(self, request: Request) -> Peer:
        """The client certificate's owner, or NO_PEER where none is asked for."""
        return NO_PEER if self._peers is None else self._peers.require_allowed(request.peer)

    def require_form(self, request: Request) -> tuple[RouteRules, list[str]]:
        """The route and the decoded path segments of an unambiguous request."""
        form = (request.route, request.method, request.host)
        route = self._forms.get(form)
        if route is None:
            route = self._forms[form] = self._require_route(request)
        request_form.require_query(request.query)
        segments = request_form.require_segments(request.path, encoded_slashes=route.encoded_slashes)
        if ("%" in request.path or ";" in request.path) and not self._is_of(route, segments):
            raise Rejected(Reason.PATH_REFUSED, "the path decodes into another route")
        return route, segments

    def _require_route(self, request: Request) -> RouteRules:
        """By what many requests have in common: route, method and host."""
        route = self.routes.find_rules(request.route, request.method)
        if route is None:
            raise Rejected(Reason.ROUTE_NOT_FOUND)
        request_form.require_host(request.host)
        request_form.require_method(request.method, route.methods)
        return route

    def _is_of(self, route: RouteRules, segments: list[str]) -> bool:
        readings = request_form.split_readings(segments) if route.encoded_slashes else []
        return all(self.routes.agrees(route.name, reading) for reading in (segments, *readings))

    def require_claims(self, request: Request, peer: Peer, route: RouteRules) -> Claims:
        """The verified claims; NO_CLAIMS only where no token is required and none was sent, or none is looked at."""
        if self._tokens is None or route.ignore_tokens:
            return NO_CLAIMS
        header = request.authorization
        known = None if header is None else self._bearers.get(header)
        token = known or bearer_token(header, self.rules.headers.auth_scheme)
        if token is None:
            if route.auth_required:
                raise Rejected(Reason.TOKEN_MISSING)
            return NO_CLAIMS
        if request.of_another_page:
            raise Rejected(Reason.BROWSER_REFUSED, "a page of another origin asks, and the token is in a cookie")
        claims = self._tokens.verify(token)
        if known is None and header is not None and len(header) <= _MAX_BEARER and self._seen.again(hash(header)):
            self._bearers[header] = token  # the very string: next time nothing is cut, and its hash is known
        if claims.certificate:
            renewals = None if self._peers is None else self._peers.renewals
            require_holder(peer, claims, renewals, self._graces[claims.issuer])
        if self.rules.peers is not None:
            require_same_client(peer, claims, self.rules.peers)
        if route.introspect and self._known is not None:
            answer = self._known.require(Active(claims.issuer, token))
            if isinstance(answer, Absent):
                raise Rejected(Reason.TOKEN_INACTIVE)
        return claims

    def holds_until(self, request: Request, decision: Allow | Deny, now: float) -> float:
        """Until when the decision holds for requests that are alike (`repeatable`); 0: for no other."""
        if request.evaluation:
            return NEVER  # its input is another
        listed_until = float("inf") if self._peers is None else self._peers.listed_until
        route = self.routes.find_rules(request.route, request.method)
        return self.repeatable.until(decision, route, now, listed_until)

    def signed_claims(self, request: Request) -> Claims:
        """What the token of a request says that was allowed once, for its record only. Nothing where none is looked at,
        nor where nobody can tell any more that its issuer signed it.
        """
        route = self.routes.find_rules(request.route, request.method)
        if self._tokens is None or (route is not None and route.ignore_tokens):
            return NO_CLAIMS
        try:
            token = bearer_token(request.authorization, self.rules.headers.auth_scheme)
        except Rejected:
            return NO_CLAIMS
        return NO_CLAIMS if token is None else self._tokens.find_signed(token)

    def evaluate(self, document: Value) -> Verdict:
        """The policy's verdict; where authorisation is off, who is known may pass."""
        return _NOT_ASKED if self.policy is None else self.policy.evaluate(document)

    def policy_input(
        self, request: Request, peer: Peer, claims: Claims, segments: list[str], decision_id: str, correlation_id: str
    ) -> Value:
        """The input document of docs/policies.md, for another reader than the policy."""
        if request.evaluation:
            return evaluation_input(request, decision_id)[0]
        return self._input.document(request, peer, claims, segments, decision_id, correlation_id)

    extracted = staticmethod(extracted_header)
