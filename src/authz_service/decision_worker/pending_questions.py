"""What a worker asks the control plane while a question of Envoy's waits: a key, whether a token is active, what a
token is exchanged for.

One question for all who want to know the same. Not what becomes of the answer: a key comes by SetKeys.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from itertools import count
from typing import NamedTuple

from authz_service.control_protocol import (
    ExchangeAnswer,
    ExchangeWanted,
    IntrospectionAnswer,
    IntrospectionWanted,
    KeyAnswer,
    KeyWanted,
)
from authz_service.domain.refusals import ExchangeNeeded, IntrospectionNeeded, KeyMissing
from authz_service.egress.exchanged_tokens import ExchangedTokens
from authz_service.identity.introspections import Introspections

MAX_WAITING = 1000  # different questions of a kind; strangers choose the `kid`, and fill no place but theirs

Needed = KeyMissing | IntrospectionNeeded | ExchangeNeeded
Wanted = KeyWanted | IntrospectionWanted | ExchangeWanted
Answer = KeyAnswer | IntrospectionAnswer | ExchangeAnswer


class _Asked(NamedTuple):
    subject: tuple[str, ...]
    at: float
    answered: asyncio.Future[bool]


class PendingQuestions:
    """Everything here runs on the worker's event loop."""

    def __init__(
        self, send: Callable[[Wanted], None], introspections: Introspections, exchanged: ExchangedTokens
    ) -> None:
        self._send = send
        self._introspections = introspections
        self._exchanged = exchanged
        self._numbers = count(1)
        self._by_number: dict[int, _Asked] = {}
        self._by_subject: dict[tuple[str, ...], _Asked] = {}
        self._waiting: Counter[str] = Counter()  # by kind, the first of a subject

    async def bring(self, needed: Needed, patience: float) -> bool:
        """Whether the control plane has answered in time; an answer that comes later is used all the same."""
        subject = _subject(needed)
        asked = self._by_subject.get(subject)
        if asked is None:
            if self._waiting[subject[0]] >= MAX_WAITING:
                return False
            asked = self._ask(needed, subject)
        try:
            return await asyncio.wait_for(asyncio.shield(asked.answered), patience)
        except TimeoutError:
            return False

    def hear(self, answer: Answer) -> None:
        asked = self._by_number.pop(answer.number, None)
        if asked is None:
            return
        del self._by_subject[asked.subject]
        self._waiting[asked.subject[0]] -= 1
        usable = True
        if isinstance(answer, IntrospectionAnswer):
            usable = answer.active is not None
            if answer.active is not None:
                _, issuer, token = asked.subject
                self._introspections.learn(issuer, token, asked.at, active=answer.active)
        if isinstance(answer, ExchangeAnswer):
            usable = self._learn(answer, asked)
        asked.answered.set_result(usable)

    def _learn(self, answer: ExchangeAnswer, asked: _Asked) -> bool:
        """Whether it says anything: a token, or why there is none."""
        _, target, token = asked.subject
        if answer.token:
            self._exchanged.learn(target, token, asked.at, answer.token, answer.lifetime)
        elif answer.refusal:
            self._exchanged.learn_refusal(target, token, answer.refusal)
        return bool(answer.token or answer.refusal)

    def _ask(self, needed: Needed, subject: tuple[str, ...]) -> _Asked:
        number = next(self._numbers)
        asked = _Asked(subject, self._introspections.now(), asyncio.get_running_loop().create_future())
        self._by_number[number] = self._by_subject[subject] = asked
        self._waiting[subject[0]] += 1
        if isinstance(needed, KeyMissing):
            self._send(KeyWanted(number, needed.issuer, needed.kid))
        elif isinstance(needed, ExchangeNeeded):
            self._send(ExchangeWanted(number, needed.target, needed.token))
        else:
            self._send(IntrospectionWanted(number, needed.issuer, needed.token))
        return asked


def _subject(needed: Needed) -> tuple[str, ...]:
    if isinstance(needed, KeyMissing):
        return "key", needed.issuer, needed.kid
    if isinstance(needed, ExchangeNeeded):
        return "exchange", needed.target, needed.token
    return "token", needed.issuer, needed.token
