"""What a worker asks the control plane: once for all who wait, within bounds, and a late answer is not lost."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from msgspec.structs import replace
from tests.support.decisions import rules
from tests.support.tokens import ISSUER, a_subject

from authz_service.control_protocol import (
    ExchangeAnswer,
    ExchangeWanted,
    IntrospectionAnswer,
    IntrospectionWanted,
    KeyAnswer,
    KeyWanted,
)
from authz_service.decision_worker import pending_questions as product
from authz_service.decision_worker.pending_questions import PendingQuestions, Wanted
from authz_service.domain.decision import Claims
from authz_service.domain.refusals import ExchangeNeeded, IntrospectionNeeded, KeyMissing, Reason, Rejected
from authz_service.egress.exchanged_tokens import ExchangedTokens
from authz_service.identity.introspections import Introspections

KEY, TOKEN = KeyMissing(ISSUER, "new"), IntrospectionNeeded(ISSUER, "t")
CLAIMS = Claims({}, ISSUER, 0.0)
LONG, SHORT = 10.0, 0.01
NOW = 1_000_000.0


class Desk:
    def __init__(self) -> None:
        self.sent: list[Wanted] = []
        self.exchanged = ExchangedTokens(lambda: NOW, lambda: 5.0)
        self.known = Introspections(lambda: 5.0)
        self.known.use((replace(rules().issuers[0], introspection_cache=5.0),))
        self.questions = PendingQuestions(self.sent.append, self.known, self.exchanged)


def scenario(play: Callable[[Desk], Awaitable[None]]) -> None:
    async def run() -> None:
        await play(Desk())

    asyncio.run(run())


def test_all_who_want_the_same_wait_for_one_answer() -> None:
    """Another key and a token are other questions; what was answered is asked anew."""

    async def play(desk: Desk) -> None:
        wanted = (KEY, TOKEN, KEY, TOKEN, KeyMissing(ISSUER, "t"))
        waiting = [asyncio.create_task(desk.questions.bring(needed, LONG)) for needed in wanted]
        await asyncio.sleep(0)
        assert desk.sent == [
            KeyWanted(1, ISSUER, "new"),
            IntrospectionWanted(2, ISSUER, "t"),
            KeyWanted(3, ISSUER, "t"),
        ]
        for answer in (KeyAnswer(1), IntrospectionAnswer(2, active=True), KeyAnswer(3)):
            desk.questions.hear(answer)
        assert await asyncio.gather(*waiting) == [True] * 5
        assert not await desk.questions.bring(KEY, SHORT)
        assert len(desk.sent) == 4

    scenario(play)


def test_an_issuer_that_could_not_be_asked_has_answered_nothing() -> None:
    """At once, and nothing is remembered."""

    async def play(desk: Desk) -> None:
        waiting = asyncio.create_task(desk.questions.bring(TOKEN, LONG))
        await asyncio.sleep(0)
        desk.questions.hear(IntrospectionAnswer(1, active=None))
        assert await waiting is False
        with pytest.raises(IntrospectionNeeded):
            desk.known.require_active("t", CLAIMS)

    scenario(play)


def test_an_answer_that_comes_too_late_serves_the_next_question() -> None:
    """Nobody hears an answer twice, or one that was not asked for."""

    async def play(desk: Desk) -> None:
        assert not await desk.questions.bring(TOKEN, SHORT)
        assert not await desk.questions.bring(TOKEN, -1.0)
        for _ in range(2):
            desk.questions.hear(IntrospectionAnswer(1, active=True))
        desk.questions.hear(KeyAnswer(99))
        desk.known.require_active("t", CLAIMS)
        assert len(desk.sent) == 1

    scenario(play)


def test_questions_without_an_answer_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(product, "MAX_WAITING", 2)

    async def play(desk: Desk) -> None:
        for kid in ("a", "b", "c"):
            assert not await desk.questions.bring(KeyMissing(ISSUER, kid), SHORT)
        assert len(desk.sent) == 2
        desk.questions.hear(KeyAnswer(1))
        assert not await desk.questions.bring(KeyMissing(ISSUER, "c"), SHORT)
        assert len(desk.sent) == 3

    scenario(play)


def test_keys_that_strangers_make_up_leave_room_for_introspection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody can name a key; only a verified token is asked about."""
    monkeypatch.setattr(product, "MAX_WAITING", 1)

    async def play(desk: Desk) -> None:
        assert not await desk.questions.bring(KEY, SHORT)
        assert not await desk.questions.bring(TOKEN, SHORT)
        assert [type(question) for question in desk.sent] == [KeyWanted, IntrospectionWanted]

    scenario(play)


SUBJECT = a_subject(NOW + 100)
SWAP, OTHER_TARGET = ExchangeNeeded("data", SUBJECT), ExchangeNeeded("audit", SUBJECT)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (ExchangeAnswer(1, refusal="invalid_request"), Reason.TOKEN_NOT_EXCHANGEABLE),
        (ExchangeAnswer(1, refusal="access_denied"), Reason.TOKEN_EXCHANGE_DENIED),
    ],
)
def test_a_token_or_the_reason_why_there_is_none_is_remembered(answer: ExchangeAnswer, reason: Reason) -> None:
    async def play(desk: Desk) -> None:
        waiting = [asyncio.create_task(desk.questions.bring(needed, LONG)) for needed in (SWAP, SWAP, OTHER_TARGET)]
        await asyncio.sleep(0)
        assert desk.sent == [ExchangeWanted(1, "data", SUBJECT), ExchangeWanted(2, "audit", SUBJECT)]
        desk.questions.hear(answer)
        desk.questions.hear(ExchangeAnswer(2, "new", 60.0))
        assert await asyncio.gather(*waiting) == [True] * 3
        assert desk.exchanged.require("audit", f"Bearer {SUBJECT}") == "new"
        with pytest.raises(Rejected) as refusal:
            desk.exchanged.require("data", f"Bearer {SUBJECT}")
        assert refusal.value.reason is reason

    scenario(play)


def test_a_provider_that_could_not_be_asked_has_answered_nothing() -> None:
    async def play(desk: Desk) -> None:
        waiting = asyncio.create_task(desk.questions.bring(SWAP, LONG))
        await asyncio.sleep(0)
        desk.questions.hear(ExchangeAnswer(1))
        assert await waiting is False
        with pytest.raises(ExchangeNeeded):
            desk.exchanged.require("data", f"Bearer {SUBJECT}")

    scenario(play)
