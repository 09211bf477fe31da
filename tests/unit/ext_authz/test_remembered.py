"""Which questions are alike, and how long what was said of one is remembered."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz_service.ext_authz import remembered
from authz_service.ext_authz.remembered import MAX_BYTES, RememberedQuestions, one_taken_apart, taken_apart

HEAD = b"GET /check-12345678/orders HTTP/1.1\r\nhost: x.local\r\nx-correlation-id: "
TAIL = b"\r\nauthorization: Bearer t\r\n\r\n"
QUESTION = HEAD + b"c-1" + TAIL


class Memory:
    def __init__(self) -> None:
        self.time = 100.0
        self.questions: RememberedQuestions[str] = RememberedQuestions(lambda: self.time)

    def remember(self, question: bytes = QUESTION, correlation_id: str = "c-1", until: float = 110.0) -> None:
        asked = one_taken_apart(question)
        if asked is not None:
            self.questions.remember(asked, correlation_id, "yes", until)

    def find(self, question: bytes) -> tuple[str, str] | None:
        asked = taken_apart(question)
        what = None if asked is None else self.questions.find(asked)
        return None if asked is None or what is None else (what, asked.correlation_id)

    def is_asked_again(self, question: bytes) -> bool:
        asked = one_taken_apart(question)
        return asked is not None and self.questions.is_asked_again(asked)


def test_another_correlation_id_is_alike() -> None:
    memory = Memory()
    memory.remember()

    assert memory.find(QUESTION) == ("yes", "c-1")
    assert memory.find(HEAD + b"another.one_2" + TAIL) == ("yes", "another.one_2")


@pytest.mark.parametrize(
    "correlation_id", [b"", b"a b", b"a,b", b"a\rb", b"a\nb", b"\x00", b"\xe9", b"x" * 129, b"a\r"]
)
def test_what_is_no_correlation_id_makes_no_question_alike(correlation_id: bytes) -> None:
    """It may end its line, or be two."""
    memory = Memory()
    memory.remember()

    assert memory.find(HEAD + correlation_id + TAIL) is None
    memory.questions.forget_all()
    memory.remember(HEAD + correlation_id + TAIL, correlation_id.decode("latin-1"))
    assert memory.find(QUESTION) is None
    assert memory.find(HEAD + correlation_id + TAIL) is None


def test_any_other_byte_makes_it_another_question() -> None:
    memory = Memory()
    memory.remember()
    inside = range(len(HEAD), len(HEAD) + len(b"c-1"))

    for at in range(len(QUESTION)):
        for other in (QUESTION[at] ^ 1, QUESTION[at] ^ 32, 10):
            changed = QUESTION[:at] + bytes([other]) + QUESTION[at + 1 :]
            assert changed == QUESTION or memory.find(changed) is None or at in inside
        assert memory.find(QUESTION[:at]) is None
        assert memory.find(QUESTION[:at] + QUESTION[at + 1 :]) is None or at in inside


def test_a_second_correlation_id_is_part_of_the_rest() -> None:
    """The first is the one that may differ; and the parser, who saw both, names neither alone."""
    two = HEAD + b"c-1\r\nx-correlation-id: c-2" + TAIL
    memory = Memory()
    memory.remember(two, "c-1,c-2")

    assert memory.find(two) is None
    memory.remember(two, "c-1")  # whatever the parser says
    assert memory.find(HEAD + b"c-1\r\nx-correlation-id: c-3" + TAIL) is None


@pytest.mark.parametrize(
    "more", [QUESTION, b"body", b"\r\n", b"GET / HTTP/1.1\r\n\r\n"], ids=["two", "a body", "a line end", "another"]
)
def test_only_what_is_one_question_and_nothing_else_is_remembered(more: bytes) -> None:
    memory = Memory()
    memory.remember(QUESTION + more)

    assert memory.find(QUESTION + more) is None
    assert not memory.is_asked_again(QUESTION + more)
    assert not memory.is_asked_again(QUESTION + more)


@pytest.mark.parametrize("part", [QUESTION[:-1], QUESTION[:-2], QUESTION[20:-4], b"", b"\r\n\r\n", TAIL])
def test_a_part_of_a_question_is_not_remembered(part: bytes) -> None:
    memory = Memory()
    memory.remember(part)

    assert memory.find(part) is None


def test_it_ends_at_its_time_and_where_the_clock_was_set_back() -> None:
    memory = Memory()
    memory.remember(until=110.0)

    memory.time = 109.9
    assert memory.find(QUESTION) is not None
    memory.time = 110.0
    assert memory.find(QUESTION) is None
    memory.time = 105.0
    assert memory.find(QUESTION) is None  # it was forgotten
    memory.remember()
    memory.time = 104.9
    assert memory.find(QUESTION) is None


def test_forgotten_is_forgotten() -> None:
    memory = Memory()
    memory.remember()
    assert not memory.is_asked_again(QUESTION)

    memory.questions.forget_all()
    assert memory.find(QUESTION) is None
    assert not memory.is_asked_again(QUESTION)
    assert memory.is_asked_again(HEAD + b"c-2" + TAIL)


def test_it_holds_a_bounded_number_and_the_oldest_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "MAX_REMEMBERED", 3)
    memory = Memory()
    questions = [QUESTION.replace(b"/orders", b"/orders/%d" % number) for number in range(5)]
    for question in questions:
        memory.remember(question)

    assert [memory.find(question) is not None for question in questions] == [False, False, True, True, True]
    large = QUESTION.replace(b"Bearer t", b"Bearer " + b"t" * MAX_BYTES)
    memory.remember(large)
    assert memory.find(large) is None


@given(st.binary(max_size=200), st.binary(max_size=200), st.binary(max_size=30))
def test_taken_apart_and_put_together_it_is_the_same(head: bytes, tail: bytes, correlation_id: bytes) -> None:
    """Two questions with the same rest differ in nothing but their ids."""
    question = head + b"\r\nx-correlation-id: " + correlation_id + b"\r\n" + tail
    alike = taken_apart(question)
    if alike is not None:
        line, rest = alike.key
        at = rest.index(b"\r\nx-correlation-id: ") + len(b"\r\nx-correlation-id: ")
        assert line + rest[:at] + alike.correlation_id.encode() + rest[at:] == question
        assert b"\r\n" not in line
