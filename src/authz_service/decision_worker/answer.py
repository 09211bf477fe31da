"""From Envoy's question to the answer: at once, once what was missing came, or with care. Decides nothing itself."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable

from authz_service.decision_worker.egress_decision import EgressQuestion
from authz_service.decision_worker.in_flight import InFlight
from authz_service.decision_worker.pending_questions import PendingQuestions
from authz_service.decision_worker.revisions import Revisions
from authz_service.domain.questions import Exchange, NotReady, Question, Verdict
from authz_service.domain.time_budget import EXCHANGE_PATIENCE, PATIENCE
from authz_service.ext_authz import wire
from authz_service.ext_authz.remembered import Alike, is_one, one_taken_apart, taken_apart

_HANG_UP = 0.001  # seconds in which the end of a connection is heard of
_LOOK_AT_THE_OTHER = 0.002  # seconds


class Answering:
    """One per worker."""

    def __init__(self, in_flight: InFlight, rules: Revisions, questions: PendingQuestions) -> None:
        self._in_flight = in_flight
        self._stands_by = in_flight.stands_by
        self._rules = rules
        self._service_for = rules.service_for
        self._remembered = rules.remembered
        self._heads = rules.heads
        self._questions = questions
        self._last: tuple[bytes, Alike | None] = b"", None  # what `recall` was shown

    def recall(self, question: bytes) -> bytes | None:
        """The answer where one like it was allowed a moment ago, or was read before; None: it has to be parsed."""
        if self._stands_by or self._in_flight.alarmed:
            return None
        asked = taken_apart(question)
        self._last = question, asked
        if asked is None:
            return None
        known = self._remembered.find(asked)
        if known is not None:
            return known.service.repeat(known, asked.correlation_id)
        head = self._heads.find(asked)
        if head is None:
            return None
        service, request = head
        try:
            return service.answer(request, came_in=asked)
        except NotReady:  # `answer` is asked, and will wait
            return None

    def answer(
        self, method: bytes, target: bytes, found: dict[bytes, bytes], came_in: bytes = b""
    ) -> bytes | Awaitable[bytes]:
        """`came_in`: the bytes of the whole question, to be remembered by."""
        if self._rules.exchange and wire.is_about_egress(target):
            return self._answer_egress((method, target, found))
        if self._stands_by or self._in_flight.alarmed:
            return self._answer_with_care(method, target, found)
        return self._answer_now(method, target, found, came_in)

    def _answer_now(
        self, method: bytes, target: bytes, found: dict[bytes, bytes], came_in: bytes = b""
    ) -> bytes | Awaitable[bytes]:
        service = self._service_for(wire.configuration_tag(found))
        request = service.read(method, target, found)
        asked = self._taken_apart(came_in)
        if asked is not None and service.policy_server is None and self._heads.is_seen_again(asked):
            self._heads.learn(asked, service, request)  # not where `recall` would have to wait for another OPA
        decision_id = os.urandom(16).hex()
        try:
            return service.answer(request, decision_id, came_in=asked)
        except NotReady as missing:
            question = missing.question
        started, tag = time.perf_counter_ns(), wire.configuration_tag(found)

        def answer(unanswered: Question | None = None) -> bytes:
            service = self._service_for(tag)
            return service.answer(service.read(method, target, found), decision_id, started, unanswered)

        return self._once_ready(answer, question, tag)

    def _taken_apart(self, question: bytes) -> Alike | None:
        """With its head's hash, where `recall` has looked for it."""
        shown, asked = self._last
        if question is not shown:
            return one_taken_apart(question)
        return asked if is_one(question) else None

    def _answer_egress(self, asked: EgressQuestion) -> bytes | Awaitable[bytes]:
        decision_id, started, tag = os.urandom(16).hex(), time.perf_counter_ns(), wire.configuration_tag(asked[2])

        def answer(unanswered: Question | None = None) -> bytes:
            egress = self._service_for(tag).egress
            assert egress is not None  # `Revisions` gives each service one
            return egress.answer(asked, decision_id, started, unanswered)

        try:
            return answer()
        except NotReady as missing:
            return self._once_ready(answer, missing.question, tag)

    async def _once_ready(self, answer: Callable[[Question | None], bytes], question: Question, tag: bytes) -> bytes:
        """By the rules of that moment, not of the question's: only theirs were given the new keys."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        while True:
            if isinstance(question, Verdict):
                came = await self._fetch_verdict(question, tag)
            else:
                patience = EXCHANGE_PATIENCE if isinstance(question, Exchange) else PATIENCE
                came = await self._questions.bring(question, begun + patience - loop.time())
            try:
                return answer(None if came else question)
            except NotReady as another:
                question = another.question

    async def _fetch_verdict(self, question: Verdict, tag: bytes) -> bool:
        server = self._service_for(tag).policy_server
        if server is None:  # the rules changed
            return False
        await server.fetch(question.document)
        return True

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
