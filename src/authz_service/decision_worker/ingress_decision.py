"""One decision from question to answer: gate, audit record, bytes for Envoy. Runs in a worker; knows no socket."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from msgspec.structs import replace

from authz_service.audit.record import Recorder
from authz_service.audit.template import find_template
from authz_service.audit.writer import AuditWriter
from authz_service.decision_worker.counters import WorkerCounters
from authz_service.decision_worker.decision_log_buffer import DecisionLogBuffer
from authz_service.decision_worker.egress_decision import EgressDecisions
from authz_service.decision_worker.in_flight import InFlight
from authz_service.decision_worker.poison_requests import PoisonRequests
from authz_service.domain.decision import Allow, Decision, Deny, Request
from authz_service.domain.questions import NotReady, Question
from authz_service.domain.refusals import Reason, Rejected
from authz_service.domain.rules import GateRules
from authz_service.errors import AuditUnavailable, KeysUnavailable
from authz_service.ext_authz import wire
from authz_service.ext_authz.in_progress import InProgress
from authz_service.ext_authz.permit import permit
from authz_service.ext_authz.remembered import Alike, RememberedQuestions
from authz_service.headers import USER_CONTEXT, is_correlation_id, listener_tag
from authz_service.identity.certificates import Peers
from authz_service.identity.token_places import TokenPlaces
from authz_service.ingress.gate import Gate
from authz_service.ingress.owned_headers import without
from authz_service.logs import about
from authz_service.policy.decide.opa_server import OpaServer
from authz_service.request_form import METHODS

log = logging.getLogger(__name__)

_OTHER_REVISION = "?"  # no path, so no route's name


class Known(NamedTuple):
    """A request that was allowed, for its like."""

    service: IngressDecisions
    request: Request
    decision: Decision
    decision_id: str
    permit: bytes  # the header line with which Envoy may repeat it, too; b"": it has to ask


class IngressDecisions:
    """Answers Envoy's questions by one revision of the rules."""

    def __init__(
        self,
        gate: Gate,
        audit: AuditWriter,
        counters: WorkerCounters,
        listeners: Mapping[bytes, frozenset[str]],
        in_flight: InFlight,
        policy_server: OpaServer | None = None,
    ) -> None:
        """`listeners`: by tag, the headers that connections accepted by such a listener lose, and get from us alone."""
        rules = gate.rules
        self.egress: EgressDecisions | None = None
        self.tag = rules.tag.encode()
        self._owned = rules.headers.owned
        self._listener = listener_tag(self._owned).encode()
        self._listeners = listeners
        self._gate = gate
        self.policy_server = policy_server
        self._audit = audit
        self._copies: DecisionLogBuffer | None = None
        self._remembered: RememberedQuestions[Known] | None = None
        self._cached_in_envoy = rules.cached_in_envoy and not rules.copies  # which Envoy could not make
        self._counters = counters
        self._recorder = Recorder(rules)
        self._in_flight = in_flight
        self._poison_requests = PoisonRequests(gate, in_flight)
        self._budget = rules.evaluation_budget
        self._realm = rules.service
        self._audit_required = rules.audit_required
        self._extract = tuple((name.lower().encode(), name.lower()) for name in rules.headers.extract)
        self._places = TokenPlaces(rules.headers)
        self._methods: dict[str, tuple[str, ...]] = {}
        for route in rules.routes:
            self._methods[route.name] = self._methods.get(route.name, ()) + (route.methods or METHODS)

    def copy_to(self, copies: DecisionLogBuffer | None) -> None:
        """What is recorded from now on."""
        self._copies = copies

    def remember_in(self, remembered: RememberedQuestions[Known]) -> None:
        """What is allowed from now on, and may be repeated."""
        self._remembered = remembered

    def retire(self, newer: GateRules, now: Callable[[], float] = time.time) -> None:
        """A newer revision is there: refuse what it knows to be revoked."""
        own, peers = self._gate.rules.peers, newer.peers
        if own is not None and peers is not None:
            rules = replace(
                own,
                revoked=peers.revoked,
                revoked_fingerprints=peers.revoked_fingerprints,
                listed=peers.listed,
                listed_until=peers.listed_until,
                withdrawn=peers.withdrawn,
            )
            self._gate.look_at_peers_with(Peers(rules, now))
            self._poison_requests = PoisonRequests(self._gate, self._in_flight)
        self._gate.deny_tokens(newer.denials)

    def read(self, method: bytes, target: bytes, found: dict[bytes, bytes]) -> Request:
        if wire.is_evaluation(target):
            return wire.read_evaluation(target, found)
        request = wire.read_request(method, target, found, self._extract, self._places.authorization(found))
        if self._places.is_of_another_page(found):
            request = request._replace(of_another_page=True)
        tag = wire.configuration_tag(found)
        return request if not tag or tag == self.tag else request._replace(route=_OTHER_REVISION)

    def answer(
        self,
        request: Request,
        decision_id: str = "",
        started: int = 0,
        unanswered: Question | None = None,
        *,
        came_in: Alike | None = None,
    ) -> bytes:
        """The bytes for Envoy; the audit record is written before they exist. `came_in`: what it was read from.

        Raises NotReady: have its question answered, then call again with the same id; what got no answer in time is
        `unanswered`. Nothing else is raised, and every way out but an earned allow is a refusal.
        """
        started = started or time.perf_counter_ns()
        decision_id = decision_id or os.urandom(16).hex()
        correlation_id = request.correlation_id
        is_one = came_in is not None and came_in.correlation_id == correlation_id
        if not is_one and not is_correlation_id(correlation_id):
            correlation_id = decision_id
        decision = self._decide(request, decision_id, correlation_id, unanswered)
        return self._answered(request, decision, decision_id, correlation_id, started, came_in=came_in)

    def repeat(self, known: Known, correlation_id: str) -> bytes:
        """The bytes for Envoy where a request is like one that was allowed; on record first, like any other."""
        started, decision_id = time.perf_counter_ns(), os.urandom(16).hex()
        request = known.request._replace(correlation_id=correlation_id)
        return self._answered(request, known.decision, decision_id, correlation_id, started, known=known)

    def _remember(
        self, came_in: Alike | None, request: Request, decision: Decision, decision_id: str, recorded: bytes
    ) -> tuple[str, bytes]:
        """For requests that are like this one. Which of `control_protocol.MEMORY` it is, and the permit for Envoy."""
        why_not = self._gate.repeatable.why_not
        if why_not is not None:
            return why_not.label, b""
        if isinstance(decision, Deny) or self._remembered is None:
            return "refused", b""
        if came_in is None or not self._remembered.is_asked_again(came_in):
            return "new", b""
        now = self._remembered.now()
        until = self._gate.holds_until(request, decision, now)
        if until <= now:
            return "request", b""
        allowed = self._permit(request, decision, decision_id, recorded, until)
        known = Known(self, request, decision, decision_id, allowed)
        kept = self._remembered.remember(came_in, request.correlation_id, known, until)
        return "second", allowed if kept else b""

    def _permit(self, request: Request, decision: Allow, decision_id: str, recorded: bytes, until: float) -> bytes:
        """b"": Envoy has to ask. Only from rules that are wholly in force, of which it hears at once when they end."""
        epoch = 0 if self._remembered is None else self._remembered.epoch
        if not self._cached_in_envoy or not epoch:
            return b""
        template = find_template(recorded, decision_id, request.correlation_id)
        return b"" if template is None else permit(epoch, until, template, self._headers(request, decision))

    def _answered(  # noqa: PLR0913 - one argument per fact
        self,
        request: Request,
        decision: Decision,
        decision_id: str,
        correlation_id: str,
        started: int,
        *,
        came_in: Alike | None = None,
        known: Known | None = None,
    ) -> bytes:
        """The decision on record, and as bytes. Not on record where it has to be: refused. `known`: what it repeats."""
        duration_us = (time.perf_counter_ns() - started) // 1000
        repeats = "" if known is None else known.decision_id
        recorded = self.record(request, decision, decision_id, correlation_id, duration_us, repeats=repeats)
        unrecordable = not recorded and self._audit_required
        for_envoy = b""
        if recorded:
            if known is None:
                memory, for_envoy = self._remember(came_in, request, decision, decision_id, recorded)
            else:
                memory, for_envoy = "repeated", known.permit
            self._counters.add_memory(memory)
        if isinstance(decision, Allow) and not unrecordable:
            self._counters.add(decision.reason, duration_us, allowed=True)
            return wire.allow(self._headers(request, decision) + for_envoy)
        reason = Reason.AUDIT_UNAVAILABLE if unrecordable else decision.reason
        self._counters.add(reason, duration_us, allowed=False)
        methods = self._methods.get(request.route, ())
        wanted = decision.verdict if reason is Reason.INSUFFICIENT_USER_AUTHENTICATION else None
        step_up = None if wanted is None else wanted.step_up
        return wire.refuse(
            reason, request, decision_id, correlation_id, realm=self._realm, methods=methods, step_up=step_up
        )

    def is_over(self, one: InProgress) -> bool:
        """Whether a request that was allowed may not go on; then its end is on record, and has been counted.

        Raises NotReady, as `answer` does. Where the keys are gone nobody can say that he is still known; for one whose
        issuer does not answer, this is not known yet.
        """
        request = one.request._replace(authorization=self._places.authorization(one.found))
        try:
            self._gate.require_still_known(request)
        except NotReady:
            raise
        except Rejected as refusal:
            self._end(request, refusal.reason, refusal.detail)
        except KeysUnavailable as broken:
            self._end(request, Reason.KEYS_UNAVAILABLE, str(broken))
        except Exception as error:
            log.exception("decision_failed", extra=about(correlation_id=request.correlation_id))
            self._end(request, Reason.DECISION_FAILED, type(error).__name__)
        else:
            return False
        return True

    def _end(self, request: Request, reason: Reason, detail: str) -> None:
        self._counters.add_end(reason)
        decision_id = os.urandom(16).hex()
        correlation_id = request.correlation_id if is_correlation_id(request.correlation_id) else decision_id
        decision = Deny(reason, detail, claims=self._gate.signed_claims(request))
        self.record(request, decision, decision_id, correlation_id, 0, ended=True)

    def standing(self, request: Request) -> tuple[int, bool] | None:
        """What the other workers are at: `PoisonRequests.standing`."""
        return self._poison_requests.standing(request)

    def record_unanswered(self) -> None:
        """What ended a worker, or went with it, and was answered by nobody, is on record all the same."""
        for request, decision in self._poison_requests.unanswered():
            decision_id = os.urandom(16).hex()
            correlation_id = request.correlation_id if is_correlation_id(request.correlation_id) else decision_id
            self.record(request, decision, decision_id, correlation_id, 0)
            self._counters.add(decision.reason, 0, allowed=False)

    def _headers(self, request: Request, permit: Allow) -> bytes:
        """A connection's older listener takes from us, and strips, only what was owned then: the rest goes by name."""
        if request.listener == self._listener:
            return permit.headers
        return without(permit.headers, self._owned - self._listeners.get(request.listener, frozenset()))

    def _decide(self, request: Request, decision_id: str, correlation_id: str, unanswered: Question | None) -> Decision:
        if unanswered is not None:
            return Deny(*unanswered.unanswered())
        if request.route == _OTHER_REVISION:
            return Deny(Reason.DECISION_UNAVAILABLE, "routed by a configuration that is not known here")
        # An evaluation holds the interpreter's lock, so nothing inside the worker can stop it. The kernel can: so much
        # processor time, and SIGPROF ends the worker (setitimer(2)); what it was at stays in `in_flight`.
        in_flight = self._in_flight
        signal.setitimer(signal.ITIMER_PROF, self._budget)
        try:
            in_flight.begin(request, self._poison_requests.mark)
            known = self._poison_requests.find(request) if in_flight.alarmed else None
            return known or self._gate.decide(request, decision_id, correlation_id)
        except NotReady:
            raise
        except MemoryError:
            os.abort()  # what is left of us is not to be relied on; the question is known to our successor
        except Exception as error:
            log.exception("decision_failed", extra=about(decision_id=decision_id))
            return Deny(Reason.DECISION_FAILED, type(error).__name__)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            in_flight.end()

    def record(  # noqa: PLR0913 - one argument per fact, most by keyword
        self,
        request: Request,
        decision: Decision,
        decision_id: str,
        correlation_id: str,
        duration_us: int,
        *,
        left_for: str = "",
        ended: bool = False,
        repeats: str = "",
    ) -> bytes:
        """The line that was written, but for its seal; b"": none was. One that cannot be made cannot be written."""
        passes = isinstance(decision, Allow) and not self._audit_required
        try:
            line = self._recorder.line(
                request,
                decision,
                decision_id=decision_id,
                correlation_id=correlation_id,
                user_context=self._gate.extracted(request, decision.peer, correlation_id, USER_CONTEXT) or "",
                now=time.time(),
                duration_us=duration_us,
                left_for=left_for,
                ended=ended,
                repeats=repeats,
            )
            self._audit.write(line, passes=passes)
        except AuditUnavailable as error:
            self._counters.add_audit_failure(str(error))
            return b""
        except Exception as error:
            log.exception("audit_record_failed", extra=about(decision_id=decision_id))
            self._counters.add_audit_failure(repr(error))
            self._audit.lose(repr(error), passes=passes)
            return b""
        if self._copies is not None and not left_for and not ended:  # no policy was asked
            self._copies.add(self._gate, line, request, decision, (decision_id, correlation_id))
        return line
