"""What a worker asks the control plane while a request waits, one question for all who want to know the same.

Not what becomes of the answer: `Answers` has it, and keys come by SetKeys.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Hashable
from itertools import count
from typing import NamedTuple

from authz_service.control_protocol import Answered, Wanted
from authz_service.domain.questions import Answers, Asked

MAX_WAITING = 1000  # different questions of a kind; strangers choose the `kid`, and fill no place but theirs


class _Waiting(NamedTuple):
    question: Asked
    at: float
    answered: asyncio.Future[bool]


class PendingQuestions:
    """Everything here runs on the worker's event loop."""

    def __init__(self, send: Callable[[Wanted], None], answers: Answers) -> None:
        self._send = send
        self._answers = answers
        self._numbers = count(1)
        self._by_number: dict[int, _Waiting] = {}
        self._by_place: dict[tuple[type, Hashable], _Waiting] = {}
        self._waiting: Counter[type] = Counter()  # by kind, the first of a place

    async def bring(self, question: Asked, patience: float) -> bool:
        """Whether the control plane has answered in time; an answer that comes later is remembered all the same."""
        kind = type(question)
        waiting = self._by_place.get((kind, question.place))
        if waiting is None:
            if self._waiting[kind] >= MAX_WAITING:
                return False
            waiting = self._ask(question)
        try:
            return await asyncio.wait_for(asyncio.shield(waiting.answered), patience)
        except TimeoutError:
            return False

    def hear(self, answered: Answered) -> None:
        waiting = self._by_number.pop(answered.number, None)
        if waiting is None:
            return
        kind = type(waiting.question)
        del self._by_place[kind, waiting.question.place]
        self._waiting[kind] -= 1
        if answered.answer is not None:
            self._answers.learn(waiting.question, answered.answer, waiting.at)
        waiting.answered.set_result(answered.answer is not None)

    def _ask(self, question: Asked) -> _Waiting:
        number, kind = next(self._numbers), type(question)
        waiting = _Waiting(question, self._answers.now(), asyncio.get_running_loop().create_future())
        self._by_number[number] = self._by_place[kind, question.place] = waiting
        self._waiting[kind] += 1
        self._send(Wanted(number, question))
        return waiting
