"""The ingress of one sidecar as it would be live: the same rules, gate, policy and certificate checks, from the mesh's
files. It decides what the live one decides; what it cannot know it says (`Unjudged`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from authz_rego.explain import Explanation
from authz_rego.values.value import Value
from authz_service.config.model import HttpTlsOfFiles
from authz_service.control_plane.gate_rules import gate_rules
from authz_service.control_plane.sources.certificates import with_lists
from authz_service.control_plane.sources.denylist import load_denylist, with_denied
from authz_service.domain.decision import Allow, Decision, Request
from authz_service.domain.questions import Absent, Active, Answer, Asked, Found
from authz_service.domain.refusals import Reason, Rejected
from authz_service.domain.rules import GateRules, IssuerKeys, PolicySource
from authz_service.envoy.received_path import received_host, received_path
from authz_service.errors import AuthzServiceError, Problems
from authz_service.identity.certificates import Peers
from authz_service.identity.token_places import NO_SCHEME
from authz_service.identity.tokens import TokenVerifier
from authz_service.ingress.gate import Gate
from authz_service.ingress.route_table import RouteTable
from authz_service.mesh.client_handshake import CannotTell, refusal, trust_of
from authz_service.mesh.mint import Mint
from authz_service.mesh.model import Call, Sidecar
from authz_service.mesh.shown import Shown
from authz_service.mesh.steps import Step, walk
from authz_service.policy.decide.bounded_policy import BoundedPolicy
from authz_service.policy.decide.engine import PolicyEngine
from authz_service.policy.sources.folder import read_policy_folder
from authz_service.policy.vetting.checks import Compiled, compiled

TLS_REFUSED = "tls_refused"  # no answer at all: the handshake ends
DECISION = "mesh"


class Unjudged(AuthzServiceError):  # noqa: N818 - it says what is the matter
    """What the files here do not tell."""

    def __init__(self, what: str, problems: Sequence[str] = ()) -> None:
        super().__init__("\n".join((what, *problems)))
        self.what = what
        self.problems = tuple(problems)


class Question(NamedTuple):
    """One request, as it comes to the sidecar."""

    method: str
    target: str  # path and query
    host: str
    shown: Shown
    token: str | None
    headers: tuple[tuple[str, str], ...] = ()  # lower-case names


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of it, and what was known by then. `reason` is "" when the service is reached."""

    reason: str
    detail: str
    path: str  # as Envoy hands it to the gate
    decision: Decision | None  # None: it did not come to the gate
    document: Value | None  # what the policy was asked
    notes: tuple[str, ...]  # what was assumed
    steps: tuple[Step, ...] = ()  # the gate's, as far as it came


class _NobodyAsked:
    """A token is taken for active; and there are no keys but those at hand."""

    def require(self, question: Asked) -> Answer:
        return Found() if isinstance(question, Active) else Absent()


def policy_source(sidecar: Sidecar) -> PolicySource | None:
    """None where the sidecar has no policy of its own. Raises PolicyProblems, or Unjudged for one that is elsewhere."""
    config = sidecar.config
    if config.asked_policy is None:
        return None
    if not config.has_policy_folder:
        raise Unjudged(f"{sidecar.name}: its policy comes from elsewhere ({config.policy.engine} or a bundle)")
    folder = sidecar.find_file(config.policy.path)
    if folder is None:
        raise Unjudged(f"{sidecar.name}: its policies ({config.policy.path}) are not here; mesh.yaml: files says where")
    carried, evaluated = config.proxy.headers.from_policy, bool(config.evaluated_for)
    return read_policy_folder(folder, config.asked_policy.policy_query, carried, evaluated=evaluated)


class Door:
    """Built once for many questions. Raises Unjudged where the sidecar could not even start, with what is wrong."""

    def __init__(
        self,
        sidecar: Sidecar,
        mint: Mint,
        now: Callable[[], float],
        keys: Sequence[dict[str, object]] = (),
        compiled_policy: Compiled | None = None,
    ) -> None:
        self.sidecar, self._mint, self._now, self._keys = sidecar, mint, now, keys
        config = sidecar.config
        self._notes: tuple[str, ...] = ()
        self.escaped_slashes = any(route.encoded_slashes for route in config.proxy.routes)
        try:
            source = policy_source(sidecar)
            self._trust = trust_of(sidecar, now())
            rules = gate_rules(config, source, DECISION)
            if self._trust is not None:
                rules = with_lists(rules, self._trust.lists)
            denylist = None if config.revocation is None else sidecar.find_file(config.revocation.path)
            rules = rules if denylist is None else with_denied(rules, load_denylist(denylist))
            if config.revocation is not None and denylist is None:
                self._notes = (f"{config.revocation.path} is not here: nobody is taken to be revoked",)
            engine = None
            if source is not None:
                policy = (compiled_policy or compiled(source)).policy
                unbounded = PolicyEngine(source, lambda: int(now() * 1e9), policy=policy)
                engine = BoundedPolicy(unbounded, rules.evaluation_budget, sidecar.name)
        except Problems as found:
            why = [str(problem) for problem in found.problems]
            raise Unjudged(f"{sidecar.name} would not start", why) from found
        self.rules, self.engine = rules, engine
        self.routes = RouteTable(rules.routes)
        self._tokens = TokenVerifier(rules.issuers, now, _NobodyAsked()) if rules.issuers else None
        if self._tokens is not None:
            self._tokens.deny(rules.denials)
        peers = Peers(rules.peers, now) if rules.peers is not None else None
        self.gate = Gate(rules, peers, self._tokens, engine, _NobodyAsked())
        self._known_keys = -1

    @property
    def _sees_certificates(self) -> bool:
        return self.sidecar.config.is_decision_only or self.sidecar.config.http.tls.client_auth != "none"

    def received(self, path: str, query: str) -> str:
        """As the gate is told it; another proxy says it as it is. Raises Rejected for what Envoy itself refuses."""
        if self.sidecar.config.is_decision_only:
            return path
        return received_path(path, query, escaped_slashes=self.escaped_slashes)

    @property
    def wants_certificate(self) -> bool:
        tls = self.sidecar.config.http.tls
        return tls.enabled and tls.client_auth == "require"

    def handshake(self, shown: Shown) -> tuple[str, tuple[str, ...]]:
        """Why the client's certificate is not taken, or ""; and what was assumed. Raises Unjudged."""
        if self.sidecar.config.is_decision_only:
            return "", ("the proxy in front makes the handshake: the certificate is taken as it is shown",)
        tls = self.sidecar.config.http.tls
        if not tls.enabled or tls.client_auth == "none":
            return "", ()
        if not shown.chain:
            return ("a client certificate is required, and none is shown" if self.wants_certificate else ""), ()
        if shown.assumed:
            return "", (f"the caller's certificate is not here: taken to be {shown.name}",)
        if self._trust is None:
            signer = tls.client_ca_file if isinstance(tls, HttpTlsOfFiles) else "the agent"
            return "", (f"{signer} is not here: the certificate is taken to be signed by it",)
        try:
            return refusal(shown.chain, self._trust, self._now()), ()
        except CannotTell as cannot:
            raise Unjudged(f"{self.sidecar.name}: {cannot}") from cannot

    def require_peer(self, shown: Shown) -> None:
        """Raises Rejected for a certificate that the gate does not take."""
        self.gate.require_peer(self.request(Question("GET", "/", "localhost", shown, None), "/"))

    def ask(self, question: Question) -> Answered:
        """The first no, or none. Raises Unjudged, and PolicyTooLong."""
        why, notes = self.handshake(question.shown)
        notes = (*notes, *self._notes)
        if why:
            return Answered(TLS_REFUSED, why, question.target, None, None, notes)
        path, _, query = question.target.partition("?")
        try:
            path = self.received(path, query)
        except Rejected as refused:
            return Answered(refused.reason, refused.detail, path, None, None, notes)
        request = self.request(question, path)
        self._give_keys()
        decision = self.gate.decide(request, DECISION, request.correlation_id)
        if decision.reason is Reason.KEYS_UNAVAILABLE:
            raise Unjudged(f"{self.sidecar.name}: {decision.detail}; give the issuer's keys by --jwks FILE")
        reason = "" if isinstance(decision, Allow) else str(decision.reason)
        rules = self.routes.find_rules(request.route, request.method)
        if rules is not None and rules.introspect:
            notes = (*notes, "the token is taken to be active: its issuer is not asked here")
        walked = walk(self.gate, request, DECISION)
        return Answered(reason, decision.detail, path, decision, walked.document, notes, walked.steps)

    def judge(self, question: Question, path: str) -> tuple[str, Decision]:
        """As `ask`, for many: after the handshake, of a path as Envoy hands it over. Raises Unjudged."""
        self._give_keys()
        decision = self.gate.decide(self.request(question, path), DECISION, DECISION)
        if decision.reason is Reason.KEYS_UNAVAILABLE:
            raise Unjudged(f"{self.sidecar.name}: {decision.detail}")
        return "" if isinstance(decision, Allow) else str(decision.reason), decision

    def explain_policy(self, document: Value) -> Explanation | None:
        """Which rule bodies were tried, and where each stopped."""
        return None if self.engine is None else self.engine.explain(document, int(self._now() * 1e9))

    def _give_keys(self) -> None:
        if self._tokens is None or len(self._mint.algorithms) == self._known_keys:
            return
        text = json.dumps({"keys": [*self._keys, *self._mint.jwks()]})
        for issuer in self.rules.issuers:
            self._tokens.set_keys(IssuerKeys(issuer.issuer, text))
        self._known_keys = len(self._mint.algorithms)

    def next_call(self, calls: Iterable[Call], path: str, method: str) -> Call | None:
        """Where the route of a request that is let in sends it on to."""
        onward = [call for call in calls if call.of_ingress]
        name = self.routes.find(_segments(path)) if onward else ""
        for call in onward:
            route = self.sidecar.config.proxy.routes[int(call.place[2])]
            if route.path == name and method in route.methods:
                return call
        return None

    def request(self, question: Question, path: str) -> Request:
        peer = question.shown.pem if self._sees_certificates else b""
        return request_as_told(self.rules, self.routes, question, path, peer)


def request_as_told(rules: GateRules, routes: RouteTable, question: Question, path: str, peer: bytes) -> Request:
    """As Envoy would tell it, or another proxy. `peer`: the certificate, where the sidecar asks for one."""
    headers = dict(question.headers)
    scheme = rules.headers.auth_scheme
    prefix = "" if scheme.lower() == NO_SCHEME else f"{scheme} "
    return Request(
        method=question.method,
        path=path,
        query=question.target.partition("?")[2],
        host=question.host if rules.callers_elsewhere else received_host(question.host),
        route=routes.find(_segments(path)),
        peer=peer,
        authorization=None if question.token is None else f"{prefix}{question.token}",
        correlation_id=headers.get("x-correlation-id", DECISION),
        extracted={n: headers[n] for n in (name.lower() for name in rules.headers.extract) if n in headers},
        remote="127.0.0.1",
    )


def _segments(path: str) -> list[str]:
    return [] if path == "/" else path.split("/")[1:]
