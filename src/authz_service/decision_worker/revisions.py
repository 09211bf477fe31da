"""The rules that a worker decides by, as ready decision services: the present one and the one before. Asks nobody."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from authz_service.audit.chain import Chain
from authz_service.audit.sink import AuditSink
from authz_service.audit.writer import AuditWriter
from authz_service.decision_worker.counters import WorkerCounters
from authz_service.decision_worker.decision_log_buffer import DecisionLogBuffer
from authz_service.decision_worker.egress_decision import EgressDecisions
from authz_service.decision_worker.handed_over import HandedOver
from authz_service.decision_worker.in_flight import InFlight
from authz_service.decision_worker.ingress_decision import IngressDecisions, Known
from authz_service.domain.questions import Answers
from authz_service.domain.rules import GateRules, IssuerKeys, PolicySource
from authz_service.egress.gate import EgressGate
from authz_service.ext_authz.known_heads import KnownHeads
from authz_service.ext_authz.remembered import RememberedQuestions
from authz_service.headers import listener_tag
from authz_service.identity.certificates import Peers
from authz_service.identity.tokens import TokenVerifier
from authz_service.ingress.gate import Gate
from authz_service.logs import about
from authz_service.policy.decide.awaited import AwaitedPolicy
from authz_service.policy.decide.engine import PolicyEngine
from authz_service.policy.decide.opa_server import OpaServer

log = logging.getLogger(__name__)


class Revisions:
    """One per worker. What did not change with the rules keeps its caches and connections."""

    def __init__(
        self,
        in_flight: InFlight,
        counters: WorkerCounters,
        answers: Answers,
        copies: DecisionLogBuffer,
        handed_over: HandedOver,
        now: Callable[[], float] = time.time,
    ) -> None:
        # What an answer depends on beside question and clock changes here and nowhere else: in `use` and `set_keys`.
        self.remembered: RememberedQuestions[Known] = RememberedQuestions(now)
        self.heads: KnownHeads[IngressDecisions] = KnownHeads()  # as the present rules read them, and those before
        self.exchange = False  # whether any of the rules so far have users' tokens exchanged
        self._now = now
        self._in_flight = in_flight
        self._counters = counters
        self._answers = answers
        self._copies = copies
        self._handed_over = handed_over
        self._service: IngressDecisions | None = None
        self._previous: IngressDecisions | None = None  # judges what Envoy routed before it took over the new routes
        self._listeners: dict[bytes, frozenset[str]] = {}  # by tag: the headers that such a listener strips
        self._rules: GateRules | None = None
        self._peers: Peers | None = None
        self._tokens: TokenVerifier | None = None
        self._audit: AuditWriter | None = None
        self._policy_server: OpaServer | None = None
        self._source: PolicySource | None = None
        self._engine: PolicyEngine | None = None  # of this source, the last that was compiled
        self._keys: dict[str, IssuerKeys] = {}
        self._epoch = self._awaited = self._in_force = 0  # the newest; of rules to come; of those in use

    def engine_for(self, rules: GateRules) -> PolicyEngine | None:
        """Their policies, compiled: that takes up to seconds, and may be done in a thread. Raises PolicyProblems."""
        if rules.policy != self._source:
            engine = None if rules.policy is None else PolicyEngine(rules.policy)
            self._source, self._engine = rules.policy, engine
        return self._engine

    def expect(self, epoch: int) -> None:
        """Other rules are coming. Until they are in force Envoy may repeat nothing, for it is judged by the last ones.

        Neither does it when they turn out to be of no use here, until others are.
        """
        self._epoch = self._awaited = epoch
        self.remembered.forget_all()

    def has_newer_than(self, epoch: int) -> bool:
        """Whether rules that came after those of `epoch` are in force."""
        return epoch < self._in_force

    def use(self, rules: GateRules, engine: PolicyEngine | None, epoch: int = 0) -> None:
        """Decide by `rules` from now on. Raises whatever is wrong with them; then the last ones stay in force.

        `engine`: what `engine_for` made of them. `epoch`: what `expect` was told of them.
        """
        self.remembered.forget_all()
        self.heads.forget_all()
        last = self._rules
        peers, tokens = self._peers, self._tokens
        # The caches of verified certificates and tokens live as long as the rules they were verified by.
        if last is None or rules.peers != last.peers:
            peers = None if rules.peers is None else Peers(rules.peers, self._now)
        if last is None or rules.issuers != last.issuers:
            tokens = None if not rules.issuers else TokenVerifier(rules.issuers, self._now, self._answers)
            for keys in self._keys.values():
                _give(tokens, keys)
        server = self._policy_server
        if last is None or rules.policy_server != last.policy_server:
            server = None if rules.policy_server is None else OpaServer(rules.policy_server, self._handed_over.dial)
        policy = engine or (AwaitedPolicy() if rules.policy_awaited else server)
        gate = Gate(rules, peers, tokens, policy, self._answers)
        gate.deny_tokens(rules.denials)
        audit = self._writing_to(rules)
        owned = rules.headers.owned
        self._listeners[listener_tag(owned).encode()] = owned
        service = IngressDecisions(gate, audit, self._counters, self._listeners, self._in_flight, server)
        service.remember_in(self.remembered)
        service.egress = EgressDecisions(rules, EgressGate(rules.exchanges, self._answers, self._now), service.record)
        self.exchange = self.exchange or bool(rules.exchanges)
        service.copy_to(self._copies if rules.copies else None)
        if self._policy_server is not None and self._policy_server is not server:
            self._policy_server.close()
        self._peers, self._tokens, self._audit, self._policy_server = peers, tokens, audit, server
        self._succeed(service, rules)
        self._in_force = epoch
        if epoch == self._awaited:
            self._awaited, self.remembered.epoch = 0, self._epoch

    def set_epoch(self, epoch: int) -> None:
        """What Envoy repeats from now on, it repeats by this one."""
        self._epoch = epoch
        self.remembered.forget_all(0 if self._awaited else epoch)

    def set_keys(self, keys: IssuerKeys, epoch: int = 0) -> None:
        self.set_epoch(epoch)
        self._keys[keys.issuer] = keys
        _give(self._tokens, keys)

    def service_for(self, tag: bytes) -> IngressDecisions:
        """That of the configuration which routed the request: a reload changes rules and routes one by one."""
        service = self._service
        assert service is not None  # nobody is listened to before the first rules
        if tag and tag != service.tag and self._previous is not None and tag == self._previous.tag:
            return self._previous
        return service

    def look_after_records(self) -> None:
        """Those of the audit, and those of questions whose worker died. Called about once a second."""
        if self._audit is not None:
            self._audit.look_after()
        if self._service is not None and self._in_flight.alarmed:
            self._service.record_unanswered()

    def _writing_to(self, rules: GateRules) -> AuditWriter:
        """Raises AuditUnavailable when the destination cannot be opened."""
        audit = self._audit
        if audit is None:
            chain = Chain(rules.audit_chain, self._in_flight.slot, self._handed_over.open_chain)
            audit = AuditWriter(chain, AuditSink(rules.audit_path, self._handed_over))
        elif self._rules is None or rules.audit_path != self._rules.audit_path:
            audit.write_to(AuditSink(rules.audit_path, self._handed_over))
        audit.speak_for(rules.service, rules.zone)
        return audit

    def _succeed(self, service: IngressDecisions, rules: GateRules) -> None:
        for older in (self._previous, self._service):
            if older is not None:
                older.retire(rules, self._now)
        if self._service is not None and self._service.tag != service.tag:
            self._previous = self._service
        self._service, self._rules = service, rules


def _give(tokens: TokenVerifier | None, keys: IssuerKeys) -> None:
    """A key set that cannot be used is reported, and the last one stays."""
    try:
        if tokens is not None:
            tokens.set_keys(keys)
    except ValueError as error:
        log.error("keys_unusable", extra=about(issuer=keys.issuer, error=str(error)))  # noqa: TRY400 - expected, no traceback
