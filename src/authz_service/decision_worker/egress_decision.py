"""One decision on a request that leaves with the user's token: gate, audit record, bytes for Envoy."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from authz_service.domain.decision import Allow, Deny
from authz_service.domain.questions import NotReady, Question
from authz_service.domain.refusals import Reason
from authz_service.domain.rules import ExchangeRules, GateRules
from authz_service.egress.gate import EgressGate
from authz_service.ext_authz import wire
from authz_service.headers import is_correlation_id
from authz_service.logs import about

log = logging.getLogger(__name__)

EgressQuestion = tuple[bytes, bytes, dict[bytes, bytes]]  # method, target and headers, as DecisionProtocol has them
Record = Callable[..., bytes]  # IngressDecisions.record


class EgressDecisions:
    """Answers by one revision of the rules."""

    def __init__(self, rules: GateRules, gate: EgressGate, record: Record) -> None:
        self._tag = rules.tag.encode()
        self._gate = gate
        self._record = record
        self._audit_required = rules.audit_required
        self._realm = rules.service

    def answer(
        self, question: EgressQuestion, decision_id: str, started: int, unanswered: Question | None = None
    ) -> bytes:
        """The bytes for Envoy; the audit record is written before they exist.

        Raises NotReady: have the token exchanged, then call again; what got no answer in time is `unanswered`. Nothing
        else is raised, and every way out but a token for this very target is a refusal.
        """
        request = wire.read_egress_request(*question)
        correlation_id = request.correlation_id if is_correlation_id(request.correlation_id) else decision_id
        ours = wire.configuration_tag(question[2]) == self._tag
        exchange = self._gate.exchange_for(request.route) if ours else None
        decision = self._decide(exchange, request.authorization, unanswered)
        recorded = self._record(
            request,
            decision,
            decision_id,
            correlation_id,
            (time.perf_counter_ns() - started) // 1000,
            left_for="-" if exchange is None else exchange.target,
        )
        if isinstance(decision, Allow) and (recorded or not self._audit_required):
            return wire.allow(decision.headers)
        reason = decision.reason if recorded or not self._audit_required else Reason.AUDIT_UNAVAILABLE
        return wire.refuse(reason, request, decision_id, correlation_id, realm=self._realm, methods=())

    def _decide(
        self, exchange: ExchangeRules | None, authorization: str | None, unanswered: Question | None
    ) -> Allow | Deny:
        if unanswered is not None and exchange is not None:
            return Deny(*unanswered.unanswered())
        try:
            return self._gate.decide(exchange, authorization)
        except NotReady:
            raise
        except Exception as error:
            log.exception("egress_decision_failed", extra=about(target=exchange.target if exchange else ""))
            return Deny(Reason.DECISION_FAILED, type(error).__name__)
