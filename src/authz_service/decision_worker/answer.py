"""From Envoy's question to the answer: at once, once what was missing came, or with care. Decides nothing itself."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable
from typing import NamedTuple

from authz_service.decision_worker.egress_decision import Question
from authz_service.decision_worker.in_flight import InFlight
from authz_service.decision_worker.ingress_decision import IngressDecisions
from authz_service.decision_worker.pending_questions import Needed, PendingQuestions
from authz_service.decision_worker.revisions import Revisions
from authz_service.domain.refusals import ExchangeNeeded, IntrospectionNeeded, KeyMissing, VerdictMissing
from authz_service.ext_authz import wire

# Below Envoy's per-try timeout (0.4 s): a slow identity provider gives 503 for this token, not a second try elsewhere.
PATIENCE = 0.3  # seconds
# An exchange is waited for somewhat longer than the control plane waits for the provider (token_exchange.TIMEOUT).
EXCHANGE_PATIENCE = 2.2  # seconds
_HANG_UP = 0.001  # seconds in which the end of a connection is heard of
_LOOK_AT_THE_OTHER = 0.002  # seconds


class Answering:
    """One per worker."""

    def __init__(self, in_flight: InFlight, rules: Revisions, questions: PendingQuestions) -> None:
        self._in_flight = in_flight
        self._stands_by = in_flight.stands_by
        self._rules = rules
        self._service_for = rules.service_for
        self._questions = questions

    def answer(self, method: bytes, target: bytes, found: dict[bytes, bytes]) -> bytes | Awaitable[bytes]:
        if self._rules.exchange and wire.is_about_egress(target):
            return self._answer_egress((method, target, found))
        if self._stands_by or self._in_flight.alarmed:
            return self._answer_with_care(method, target, found)
        return self._answer_now(method, target, found)

    def _answer_now(self, method: bytes, target: bytes, found: dict[bytes, bytes]) -> bytes | Awaitable[bytes]:
        service = self._service_for(wire.configuration_tag(found))
        request = service.read(method, target, found)
        decision_id = os.urandom(16).hex()
        try:
            return service.answer(request, decision_id)
        except (KeyMissing, IntrospectionNeeded, VerdictMissing) as missing:
            wanted = missing
        again = _Again((method, target, found), decision_id, time.perf_counter_ns())
        if isinstance(wanted, VerdictMissing):
            return self._after_asking(again, service, wanted)
        return self._after_control_plane(again, wanted)

    async def _after_control_plane(self, again: _Again, needed: Needed) -> bytes:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE
        while True:
            came = await self._questions.bring(needed, deadline - loop.time())
            final = again.final or (came and isinstance(needed, KeyMissing))
            again = again._replace(final=final, late=not came)
            # By the rules of that moment, not of the question's: only theirs were given the new keys.
            now = self._service_for(wire.configuration_tag(again.question[2]))
            try:
                return again.answered_by(now)
            except VerdictMissing as missing:
                return await self._after_asking(again, now, missing)
            except (KeyMissing, IntrospectionNeeded) as another:
                needed = another

    async def _after_asking(self, again: _Again, service: IngressDecisions, wanted: VerdictMissing) -> bytes:
        """Whose rules changed meanwhile misses its verdict still, and refuses; so does one whose key is gone."""
        async with service.fetched_verdict(wanted):
            now = self._service_for(wire.configuration_tag(again.question[2]))
            return again._replace(late=True).answered_by(now)

    def _answer_egress(self, question: Question) -> bytes | Awaitable[bytes]:
        decision_id, started, tag = os.urandom(16).hex(), time.perf_counter_ns(), wire.configuration_tag(question[2])

        def answer(*, late: bool) -> bytes:
            egress = self._service_for(tag).egress
            assert egress is not None  # `Revisions` gives each service one
            return egress.answer(question, decision_id, started, late=late)

        async def after_control_plane(needed: ExchangeNeeded) -> bytes:
            await self._questions.bring(needed, EXCHANGE_PATIENCE)
            return answer(late=True)

        try:
            return answer(late=False)
        except ExchangeNeeded as needed:
            return after_control_plane(needed)

    async def _answer_with_care(self, method: bytes, target: bytes, found: dict[bytes, bytes]) -> bytes:
        """It may be Envoy's next try of a question that another worker is at, or has just died at.

        When its asker has hung up, as Envoy does before it tries the next worker, we hear of it now and are cancelled.
        How the other one comes out of the question tells whether to try it here (`poison_requests`); one that is
        stopped comes out of nothing, and is not waited for.
        """
        await asyncio.sleep(_HANG_UP)
        service = self._service_for(wire.configuration_tag(found))
        request = service.read(method, target, found)
        while (standing := service.standing(request)) is not None:
            slot, is_the_same = standing
            if self._in_flight.is_stopped(slot):
                if is_the_same:
                    self._in_flight.take_over(slot)
                break
            await asyncio.sleep(_LOOK_AT_THE_OTHER)
        answer = self._answer_now(method, target, found)
        return answer if isinstance(answer, bytes) else await answer


class _Again(NamedTuple):
    """A question that could not be answered at once, as it will be asked again."""

    question: tuple[bytes, bytes, dict[bytes, bytes]]
    decision_id: str
    started: int
    final: bool = False
    late: bool = False

    def answered_by(self, service: IngressDecisions) -> bytes:
        request = service.read(*self.question)
        return service.answer(request, self.decision_id, self.started, final=self.final, late=self.late)
