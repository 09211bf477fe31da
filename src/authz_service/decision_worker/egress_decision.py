"""A question about a request that leaves with the user's token: what the target is shown instead. Not the exchange."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from authz_service.domain.decision import NO_CLAIMS, NO_PEER, Decision
from authz_service.domain.questions import NotReady, Question
from authz_service.domain.refusals import Reason, Rejected
from authz_service.domain.rules import ExchangeRules, GateRules
from authz_service.egress.exchanged_tokens import ExchangedTokens
from authz_service.ext_authz import wire
from authz_service.headers import is_correlation_id
from authz_service.logs import about

log = logging.getLogger(__name__)

EgressQuestion = tuple[bytes, bytes, dict[bytes, bytes]]  # method, target and headers, as DecisionProtocol has them
Record = Callable[..., bool]  # IngressDecisions.record

_UNKNOWN = Rejected(Reason.DECISION_UNAVAILABLE, "routed by a configuration that is not known here")


class EgressDecisions:
    """Answers by one revision of the rules."""

    def __init__(self, rules: GateRules, exchanged: ExchangedTokens, record: Record) -> None:
        self._tag = rules.tag.encode()
        self._exchanges = {exchange.route: exchange for exchange in rules.exchanges}
        self._exchanged = exchanged
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
        exchange = self._exchanges.get(request.route) if ours else None
        token, refusal = self._find(exchange, request.authorization, unanswered)
        decision = Decision(refusal is None, _reason(refusal), "" if refusal is None else refusal.detail, *_NOBODY)
        recorded = self._record(
            request,
            decision,
            decision_id,
            correlation_id,
            (time.perf_counter_ns() - started) // 1000,
            left_for="-" if exchange is None else exchange.target,
        )
        reason = decision.reason if recorded or not self._audit_required else Reason.AUDIT_UNAVAILABLE
        if reason is Reason.ALLOWED:
            return wire.show_target(token)
        return wire.refuse(reason, request, decision_id, correlation_id, realm=self._realm, methods=())

    def _find(
        self, exchange: ExchangeRules | None, authorization: str | None, unanswered: Question | None
    ) -> tuple[str, Rejected | None]:
        """The token for the target, or why there is none."""
        if exchange is None:
            return "", _UNKNOWN
        if unanswered is not None:
            return "", Rejected(*unanswered.unanswered())
        try:
            return self._exchanged.require(exchange.key, authorization), None
        except Rejected as refusal:
            return "", refusal
        except NotReady:
            raise
        except Exception as error:
            log.exception("egress_decision_failed", extra=about(target=exchange.target))
            return "", Rejected(Reason.DECISION_FAILED, type(error).__name__)


_NOBODY = (NO_PEER, NO_CLAIMS, None)  # nothing that the token says is verified here


def _reason(refusal: Rejected | None) -> Reason:
    return Reason.ALLOWED if refusal is None else refusal.reason
