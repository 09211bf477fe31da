"""What a worker asks the control plane: once for all who wait, within bounds, and a late answer is not lost."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from tests.support.tokens import ISSUER

from authz_service.control_protocol import Answered, Wanted
from authz_service.decision_worker import pending_questions as product
from authz_service.decision_worker.pending_questions import PendingQuestions
from authz_service.domain.questions import Absent, Active, Answer, Answers, Asked, Exchange, Found, Key, NotReady

KEY, TOKEN = Key(ISSUER, "new"), Active(ISSUER, "t")
SWAP, OTHER_TARGET = Exchange("data", "user's", 60.0), Exchange("audit", "user's", 60.0)
YES, NO = Found(holds=5.0), Absent(holds=5.0)
LONG, SHORT = 10.0, 0.01


class Desk:
    def __init__(self) -> None:
        self.sent: list[Wanted] = []
        self.answers = Answers(lambda: 5.0)
        self.questions = PendingQuestions(self.sent.append, self.answers)


def scenario(play: Callable[[Desk], Awaitable[None]]) -> None:
    async def run() -> None:
        await play(Desk())

    asyncio.run(run())


def test_all_who_want_the_same_wait_for_one_answer() -> None:
    """Another key and a token are other questions; what was answered is asked anew."""

    async def play(desk: Desk) -> None:
        wanted = (KEY, TOKEN, KEY, TOKEN, Key(ISSUER, "t"))
        waiting = [asyncio.create_task(desk.questions.bring(needed, LONG)) for needed in wanted]
        await asyncio.sleep(0)
        assert desk.sent == [
            Wanted(1, KEY),
            Wanted(2, TOKEN),
            Wanted(3, Key(ISSUER, "t")),
        ]
        for number, answer in ((1, NO), (2, YES), (3, NO)):
            desk.questions.hear(Answered(number, answer))
        assert await asyncio.gather(*waiting) == [True] * 5
        assert not await desk.questions.bring(KEY, SHORT)
        assert len(desk.sent) == 4

    scenario(play)


@pytest.mark.parametrize("question", [KEY, TOKEN, SWAP])
def test_who_could_not_be_asked_has_answered_nothing(question: Asked) -> None:
    """At once, and nothing is remembered."""

    async def play(desk: Desk) -> None:
        waiting = asyncio.create_task(desk.questions.bring(question, LONG))
        await asyncio.sleep(0)
        desk.questions.hear(Answered(1, None))
        assert await waiting is False
        with pytest.raises(NotReady):
            desk.answers.require(question)

    scenario(play)


def test_an_answer_that_comes_too_late_serves_the_next_question() -> None:
    """Nobody hears an answer twice, or one that was not asked for."""

    async def play(desk: Desk) -> None:
        assert not await desk.questions.bring(TOKEN, SHORT)
        assert not await desk.questions.bring(TOKEN, -1.0)
        for _ in range(2):
            desk.questions.hear(Answered(1, YES))
        desk.questions.hear(Answered(99, NO))
        assert desk.answers.require(TOKEN) == YES
        assert len(desk.sent) == 1

    scenario(play)


def test_questions_without_an_answer_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(product, "MAX_WAITING", 2)

    async def play(desk: Desk) -> None:
        for kid in ("a", "b", "c"):
            assert not await desk.questions.bring(Key(ISSUER, kid), SHORT)
        assert len(desk.sent) == 2
        desk.questions.hear(Answered(1, NO))
        assert not await desk.questions.bring(Key(ISSUER, "c"), SHORT)
        assert len(desk.sent) == 3

    scenario(play)


def test_keys_that_strangers_make_up_leave_room_for_introspection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody can name a key; only a verified token is asked about."""
    monkeypatch.setattr(product, "MAX_WAITING", 1)

    async def play(desk: Desk) -> None:
        assert not await desk.questions.bring(KEY, SHORT)
        assert not await desk.questions.bring(TOKEN, SHORT)
        assert [wanted.question for wanted in desk.sent] == [KEY, TOKEN]

    scenario(play)


@pytest.mark.parametrize("answer", [Absent("access_denied", 3.0), Found("new", 60.0)])
def test_a_token_or_the_reason_why_there_is_none_is_remembered(answer: Answer) -> None:
    """Of the target that it was asked for."""

    async def play(desk: Desk) -> None:
        wanted = (SWAP, Exchange("data", "user's", 59.0), OTHER_TARGET)
        waiting = [asyncio.create_task(desk.questions.bring(question, LONG)) for question in wanted]
        await asyncio.sleep(0)
        assert desk.sent == [Wanted(1, SWAP), Wanted(2, OTHER_TARGET)]
        desk.questions.hear(Answered(1, answer))
        desk.questions.hear(Answered(2, Found("other", 60.0)))
        assert await asyncio.gather(*waiting) == [True] * 3
        assert desk.answers.require(SWAP) == answer
        assert desk.answers.require(OTHER_TARGET) == Found("other", 60.0)

    scenario(play)
