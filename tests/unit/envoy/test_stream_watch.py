"""The filter that Envoy runs, in a host of our own: who is asked about, who is ended, and when nobody answers."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import resources

import pytest
import wasmtime
from hypothesis import given
from hypothesis import strategies as st
from tests.support.wasm_host import QUESTION, WasmHost

from authz_service.envoy.stream_watch import NO_LONGER_ALLOWED, NOBODY_COULD_TELL
from authz_service.ext_authz.in_progress import read_question

SLOTS = 131_072
PATIENCE = 60  # ticks


def asked(host: WasmHost, over: Iterable[int] = ()) -> set[int]:
    """The numbers in all questions of one round, each answered at once: these are over."""
    found: list[int] = []
    while host.questions:
        numbers = [int.from_bytes(one.number, "little") for one in read_question(host.questions.pop())]
        found += numbers
        host.answer(b"ends" + b"".join(number.to_bytes(4, "little") for number in over if number in numbers))
    assert len(found) == len(set(found))
    return set(found)


def begun(*numbers: int) -> WasmHost:
    """A host with these requests in progress, for half a second."""
    host = WasmHost()
    for number in numbers:
        host.create(number)
    host.tick()
    assert asked(host) == set()
    return host


def test_what_envoy_runs_is_made_of_the_source() -> None:
    source = resources.files("authz_service.envoy").joinpath("stream_watch.wat").read_text()
    made = resources.files("authz_service.envoy").joinpath("stream_watch.wasm").read_bytes()
    assert wasmtime.wat2wasm(source) == made, "make filter"


def test_a_request_is_asked_about_from_its_second_tick_until_it_ends() -> None:
    host = begun(2, 3)
    host.create(4)
    host.tick()
    assert asked(host) == {2, 3}
    host.tick()
    assert asked(host) == {2, 3, 4}
    host.delete(3)
    host.tick()
    assert asked(host) == {2, 4}


def test_the_question_says_what_envoy_noted() -> None:
    host = begun(2)
    host.tick()
    (one,) = read_question(host.questions[0])
    assert one.found == {b"authorization": b"Bearer token"}
    assert one.request.peer == b"certificate"
    assert one.request.path == "/path"


def test_who_is_named_is_ended_and_nobody_else() -> None:
    """Also not who has ended meanwhile."""
    host = begun(2, 3, 4)
    host.tick()
    host.delete(4)
    asked(host, over=[3, 4])
    assert host.ended == [(3, 403, NO_LONGER_ALLOWED)]


def test_without_requests_nothing_is_asked() -> None:
    host = begun(2)
    host.delete(2)
    for _ in range(2 * PATIENCE):
        host.tick()
    assert (host.questions, host.ended) == ([], [])


def test_one_question_is_asked_at_a_time_and_each_fits_a_worker() -> None:
    """All in one round; in the meantime ticks ask nothing."""
    numbers = set(range(2, 2000))
    host = begun(*numbers)
    host.tick()
    host.tick()
    assert len(host.questions) == 1
    assert 0x8000 <= len(host.questions[0]) < 0x8000 + 2 * len(QUESTION)
    assert asked(host) == numbers


@pytest.mark.parametrize("no_answer", [b"", b"end", b"upstream connect error"])
def test_where_nobody_answers_everybody_is_ended_in_the_end(no_answer: bytes) -> None:
    """Not before half a minute is over; one good answer begins it anew."""
    host = begun(2, 3)

    def wait(ticks: int) -> None:
        for _ in range(ticks):
            host.tick()
            host.questions.clear()
            host.answer(no_answer)

    wait(PATIENCE)
    assert host.ended == []
    host.tick()
    assert host.ended == [(2, 503, NOBODY_COULD_TELL), (3, 503, NOBODY_COULD_TELL)]

    host = begun(2, 3)
    for _ in range(3):
        wait(PATIENCE - 1)
        host.tick()
        assert asked(host) == {2, 3}
    assert host.ended == []


# Numbers whose homes in the table are neighbours, or one and the same; and those around the end of all numbers.
_NUMBERS = st.builds(lambda home, lap: (home + lap * SLOTS) % 2**32 or 7, st.integers(-4, 4), st.integers(0, 3))
_STEPS = st.lists(st.tuples(st.sampled_from(["create", "delete", "tick"]), _NUMBERS), max_size=60)


@given(_STEPS)
def test_the_table_forgets_nobody(steps: list[tuple[str, int]]) -> None:
    """Whatever begins and ends, a round asks about exactly those who were in progress at the tick before."""
    host, live, seen = WasmHost(), set[int](), set[int]()
    for step, number in steps:
        if step == "tick":
            host.tick()
            assert asked(host) == live & seen
            seen = set(live)
        elif step == "create" and number not in live:
            host.create(number)
            live.add(number)
        elif step == "delete" and number in live:
            host.delete(number)
            live.remove(number)
            seen.discard(number)
