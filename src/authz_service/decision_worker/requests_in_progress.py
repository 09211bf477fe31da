"""Requests that were allowed and go on, judged again: by the certificate and the token that they were let in by.

Not by the policy: it said who may begin, and may have read what has passed since (docs/security.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from authz_service.decision_worker.ingress_decision import IngressDecisions
from authz_service.decision_worker.pending_questions import PendingQuestions
from authz_service.domain.questions import NotReady, Question, Verdict
from authz_service.domain.time_budget import PATIENCE
from authz_service.ext_authz.in_progress import InProgress, read_question, write_answer


class RequestsInProgress:
    """One per worker. Knows nothing of its own, so that any worker can judge what another one let in."""

    def __init__(self, present_service: Callable[[], IngressDecisions], questions: PendingQuestions) -> None:
        self._present_service = present_service
        self._questions = questions

    async def answer(self, body: bytes) -> bytes:
        """The bytes for Envoy; the audit records of those who may not go on are written before they exist."""
        service = self._present_service()
        over: list[bytes] = []
        untold: list[tuple[InProgress, Question]] = []
        for one in read_question(body):
            try:
                if service.is_over(one):
                    over.append(one.number)
            except NotReady as missing:
                untold.append((one, missing.question))
        told = await asyncio.gather(*(self._is_over(one, question) for one, question in untold))
        over += [one.number for (one, _), is_over in zip(untold, told, strict=True) if is_over]
        return write_answer(over)

    async def _is_over(self, one: InProgress, question: Question) -> bool:
        """Who cannot be told about is asked about again: an issuer's silence ends nobody."""
        if isinstance(question, Verdict) or not await self._questions.bring(question, PATIENCE):
            return False
        try:
            return self._present_service().is_over(one)
        except NotReady:
            return False
