"""What was answered holds for its time, for its own question, and in bounds; and nobody reads a token in it."""

from collections.abc import Callable

import pytest

from authz_service.domain import questions as product
from authz_service.domain.questions import (
    Absent,
    Active,
    Answer,
    Answers,
    Asked,
    Exchange,
    Found,
    Key,
    NotReady,
    Verdict,
)
from authz_service.domain.refusals import Reason

ACTIVE, EXCHANGE, KEY = Active("https://idp", "t0ken"), Exchange("data", "t0ken"), Key("https://idp", "k1")


class Memory:
    def __init__(self) -> None:
        self.time = 100.0
        self.answers = Answers(lambda: self.time)

    def knows(self, question: Asked) -> Answer | None:
        try:
            return self.answers.require(question)
        except NotReady:
            return None


@pytest.fixture
def memory() -> Memory:
    return Memory()


def test_a_yes_holds_from_the_moment_of_asking_and_a_no_from_that_of_hearing(memory: Memory) -> None:
    """A yes is as old as the question; a no is for all who wait for it."""
    for answer, since in ((Found("x", 5.0), 99.0), (Absent("y", 5.0), 100.0)):
        memory.time = 100.0
        memory.answers.learn(ACTIVE, answer, 99.0)
        memory.time = since + 4.9
        assert memory.knows(ACTIVE) == answer
        memory.time = since + 5.0
        assert memory.knows(ACTIVE) is None


@pytest.mark.parametrize(
    ("question", "others"),
    [
        (KEY, [Key("https://idp", "k2"), Key("https://other", "k1"), Active("https://idp", "k1")]),
        (ACTIVE, [Active("https://idp", "other"), Active("https://other", "t0ken"), Exchange("https://idp", "t0ken")]),
        (EXCHANGE, [Exchange("audit", "t0ken"), Exchange("data", "other"), Active("data", "t0ken")]),
    ],
)
def test_an_answer_is_for_its_own_question(memory: Memory, question: Asked, others: list[Asked]) -> None:
    memory.answers.learn(question, Found("x", 5.0), memory.time)

    assert memory.knows(question) == Found("x", 5.0)
    assert [memory.knows(other) for other in others] == [None] * 3


def test_a_users_token_is_the_same_however_long_it_has_to_live(memory: Memory) -> None:
    """It is remembered by its digest alone."""
    memory.answers.learn(Exchange("data", "t0ken", 300.0), Found("x", 5.0), memory.time)

    assert memory.knows(Exchange("data", "t0ken", 20.0)) == Found("x", 5.0)
    assert "t0ken" not in str(memory.answers._known)


@pytest.mark.parametrize(
    "make", [lambda name: Key("i", name), lambda name: Active("i", name), lambda n: Exchange("d", n)]
)
def test_the_memory_is_bounded_and_the_oldest_goes_first(
    memory: Memory, monkeypatch: pytest.MonkeyPatch, make: Callable[[str], Asked]
) -> None:
    """What is learnt anew is not old; and names that strangers make up push out no answer of another kind."""
    monkeypatch.setattr(product, "MAX_REMEMBERED", 2)
    for kept in (ACTIVE, EXCHANGE, KEY):
        memory.answers.learn(kept, Found("kept", 5.0), memory.time)
    for name in ("a", "b", "a", "c"):
        memory.answers.learn(make(name), Found(name, 5.0), memory.time)

    assert [memory.knows(make(name)) is not None for name in ("a", "b", "c")] == [True, False, True]
    assert sum(memory.knows(kept) is not None for kept in (ACTIVE, EXCHANGE, KEY)) == 2


def test_nobody_reads_a_token_in_what_is_missing_or_found() -> None:
    """Exceptions and their causes are logged."""
    for question in (ACTIVE, EXCHANGE, Verdict('{"token": "t0ken"}')):
        missing = NotReady(question)
        assert "t0ken" not in f"{missing} {missing!r} {missing.question}"
    assert "t0ken" not in repr(Found("t0ken"))


@pytest.mark.parametrize("question", [KEY, ACTIVE, EXCHANGE, Verdict("{}")])
def test_what_nobody_answered_is_our_trouble(question: product.Question) -> None:
    reason, detail = question.unanswered()

    assert Reason.ALLOWED is not reason
    assert reason.value.endswith("_unavailable")
    assert "t0ken" not in detail
