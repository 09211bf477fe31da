"""What a worker was at survives it; each of its readers sees the same, and nothing that is over."""

from hypothesis import given
from hypothesis import strategies as st
from tests.support.decisions import request

from authz_service.decision_worker.in_flight import KEPT, Ending, InFlight
from authz_service.domain.decision import Request

QUESTION = request(correlation_id="c-1")
LARGEST = request(path="/" + "\xff" * 131_072, correlation_id="c" * 128)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def two() -> tuple[Clock, InFlight]:
    """One memory; the tests take turns in the slots' places, which are processes in life."""
    clock = Clock()
    return clock, InFlight(2, clock)


def at_slot(in_flight: InFlight, slot: int) -> InFlight:
    in_flight.sit(slot)
    return in_flight


def test_a_question_stands_as_long_as_it_is_decided() -> None:
    """For the other worker to see; its own is none of another's."""
    _, in_flight = two()
    at_slot(in_flight, 0).begin(QUESTION, 7)
    assert list(in_flight.standing()) == []
    assert list(at_slot(in_flight, 1).standing()) == [(0, QUESTION)]

    at_slot(in_flight, 0).end()
    assert list(at_slot(in_flight, 1).standing()) == []


def test_what_a_dead_worker_was_at_is_filed_whole() -> None:
    """Once; a worker that died between two questions leaves nothing."""
    _, in_flight = two()
    assert not in_flight.file(0, Ending.CRASHED)
    assert in_flight.filed() == []

    at_slot(in_flight, 0).begin(QUESTION, 7)
    assert [in_flight.file(0, Ending.TIMED_OUT) for _ in range(2)] == [True, False]

    (filed,) = at_slot(in_flight, 1).filed()
    assert (filed.slot, filed.ending, filed.mark, filed.request) == (0, Ending.TIMED_OUT, 7, QUESTION)
    assert filed.is_of(QUESTION)
    assert not filed.is_of(QUESTION._replace(path="/other"))
    assert list(in_flight.standing()) == []


def test_the_alarm_lasts_until_it_is_forgotten() -> None:
    clock, in_flight = two()
    in_flight.sit(1)
    assert in_flight.alarmed
    assert in_flight.filed() == []
    assert not in_flight.alarmed

    in_flight.begin(QUESTION, 7)
    in_flight.file(1, Ending.TIMED_OUT)
    clock.now += KEPT - 0.1
    assert len(in_flight.filed()) == 1
    assert in_flight.alarmed
    clock.now += 0.2
    assert in_flight.filed() == []
    assert not in_flight.alarmed


def test_an_innocent_question_is_remembered_until_it_is_answered() -> None:
    """One that ended its worker beyond that."""
    _, in_flight = two()
    for ending in (Ending.LOST, Ending.CRASHED):
        at_slot(in_flight, 0).begin(QUESTION, 7)
        in_flight.file(0, ending)
    for filed in in_flight.filed():
        filed.set_answered()

    (left,) = in_flight.filed()
    assert (left.ending, left.is_answered) == (Ending.CRASHED, True)


def test_a_question_that_another_takes_over_is_answered() -> None:
    _, in_flight = two()
    at_slot(in_flight, 0).begin(QUESTION, 7)
    at_slot(in_flight, 1).take_over(0)
    in_flight.file(0, Ending.TIMED_OUT)

    assert [filed.is_answered for filed in in_flight.filed()] == [True]
    at_slot(in_flight, 0).begin(QUESTION, 7)
    in_flight.file(0, Ending.TIMED_OUT)
    assert [filed.is_answered for filed in in_flight.filed()] == [False, True]


def test_what_one_reader_sets_another_does_not_undo() -> None:
    _, in_flight = two()
    at_slot(in_flight, 0).begin(QUESTION, 7)
    in_flight.file(0, Ending.TIMED_OUT)
    (one,), (other,) = in_flight.filed(), in_flight.filed()
    one.set_answered()
    other.know(b"d" * 16)

    (now,) = in_flight.filed()
    assert (now.is_answered, now.digest) == (True, b"d" * 16)


def test_the_newest_are_remembered() -> None:
    """More than there is room for, and more than a byte can count."""
    _, in_flight = two()
    for number in range(300):
        at_slot(in_flight, number % 2).begin(request(correlation_id=f"c-{number}"), 7)
        in_flight.file(number % 2, Ending.TIMED_OUT)

    filed = in_flight.filed()
    assert [each.request.correlation_id for each in filed] == [f"c-{number}" for number in range(299, 299 - 64, -1)]


def test_the_largest_question_has_room() -> None:
    """What the parser lets through, every byte of it outside of ASCII; the neighbour's is not touched."""
    _, in_flight = two()
    at_slot(in_flight, 1).begin(QUESTION, 7)
    at_slot(in_flight, 0).begin(LARGEST, 7)

    assert list(at_slot(in_flight, 1).standing()) == [(0, LARGEST)]
    assert list(at_slot(in_flight, 0).standing()) == [(1, QUESTION)]


_TEXT = st.text(st.characters(max_codepoint=255))
_QUESTIONS = st.builds(
    Request,
    *[_TEXT] * 5,
    st.binary(),
    st.none() | _TEXT,
    _TEXT,
    st.dictionaries(_TEXT, _TEXT),
    _TEXT,
    st.binary(),
)


@given(_QUESTIONS, _QUESTIONS)
def test_every_question_survives(one: Request, other: Request) -> None:
    """Whatever a stranger sends."""
    _, in_flight = two()
    at_slot(in_flight, 0).begin(one, 7)
    at_slot(in_flight, 1).begin(other, 7)
    for slot in (0, 1):
        in_flight.file(slot, Ending.LOST)

    assert [filed.request for filed in in_flight.filed()] == [other, one]


def test_the_last_of_several_stands_by() -> None:
    """A single one does not: it is asked everything."""
    _, in_flight = two()
    assert [at_slot(in_flight, slot).stands_by for slot in (0, 1)] == [False, True]
    assert not InFlight(1).stands_by
