"""A worker that ends in mid-question, by its policy or from outside: which of the two is told, and recorded once.

Envoy's second try is played here; test_policy_timeout has Envoy itself.
"""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from itertools import count
from pathlib import Path

import pytest
from tests.support.decision_workers import Sidecar, folder, until, with_sidecar
from tests.support.decisions import policy
from tests.support.patience import PATIENCE

from authz_service import headers
from authz_service.decision_worker.in_flight import KEPT
from authz_service.decision_worker.watchdog import state_of
from authz_service.domain.refusals import Reason
from authz_service.domain.time_budget import RETRIES_ARE_OVER

__all__ = ["folder"]  # a fixture
# /loop never ends, /slow takes a part of its budget, /bomb more memory than there is.
POLICY = policy("""package order
default allow := false
allow if input.request.path == "/orders"
allow if { startswith(input.request.path, "/loop"); searched(100000) }
allow if { input.request.path == "/slow"; not searched(2200) }
allow if { input.request.path == "/bomb"; bomb }
bomb if { count([t | some i in numbers.range(1, 9999); t := sprintf("%9000000d", [i])]) == 0 }
searched(n) if { some i in numbers.range(1, n); some j in numbers.range(1, n); i * j == -1 }
""")
LONG = 5.0  # seconds of processor time: no timer in the way
BOTH = [0, 1]
TIMED_OUT = (headers.UNAVAILABLE_STATUS, Reason.POLICY_TIMEOUT)
FAILED = (headers.UNAVAILABLE_STATUS, Reason.DECISION_FAILED)


def played(folder: Path, play: Callable[[Sidecar], Awaitable[None]], workers: int = 2, **changes: object) -> None:
    async def started(sidecar: Sidecar) -> None:
        await sidecar.start(policy=POLICY, **changes)
        for slot in range(workers):
            assert await sidecar.ask(slot, correlation_id="first") == (200, "")
        await play(sidecar)

    with_sidecar(folder, started, workers)


def reasons(sidecar: Sidecar, correlation_id: str) -> list[object]:
    return [record["reason"] for record in sidecar.records() if record["correlation_id"] == correlation_id]


async def replaced(sidecar: Sidecar, slot: int, dead: int) -> None:
    await until(lambda: sidecar.pids().get(slot, dead) != dead)
    assert await sidecar.ask(slot, correlation_id="again") == (200, "")


class TestTimedOut:
    def test_the_second_worker_that_is_asked_does_not_try_it(self, folder: Path) -> None:
        """It says what happened, and to whom; other questions are answered as ever."""

        async def play(sidecar: Sidecar) -> None:
            first, second = sidecar.pids()[0], sidecar.pids()[1]
            assert await sidecar.ask(0, path="/loop", correlation_id="l") == (0, "")
            assert await sidecar.ask(1, path="/loop", correlation_id="l") == TIMED_OUT
            await replaced(sidecar, 0, first)
            assert await sidecar.ask(1, correlation_id="other") == (200, "")
            await asyncio.sleep(RETRIES_ARE_OVER + 1.5)
            assert sidecar.pids()[1] == second
            assert reasons(sidecar, "l") == ["policy_timeout"]
            (record,) = (record for record in sidecar.records() if record["correlation_id"] == "l")
            assert (record["decision"], record["user_name"]) == ("deny", "john")
            assert record["mtls_client"] == "api-gateway-client"
            assert sidecar.events() == ["policy_timeout"]

        played(folder, play)

    def test_it_waits_for_the_first_one_to_come_out_of_it(self, folder: Path) -> None:
        """When Envoy asks again before the time is up; it answers others meanwhile."""

        async def play(sidecar: Sidecar) -> None:
            looping = asyncio.create_task(sidecar.ask(0, path="/loop", correlation_id="l"))
            await until(lambda: state_of(sidecar.pids()[0]) == "R")
            again = asyncio.create_task(sidecar.ask(1, path="/loop", correlation_id="l"))
            assert await sidecar.ask(1, correlation_id="other") == (200, "")
            assert await looping == (0, "")
            assert await again == TIMED_OUT
            assert reasons(sidecar, "l") == ["policy_timeout"]

        played(folder, play)

    def test_what_the_policy_sees_is_what_counts(self, folder: Path) -> None:
        """The same by another request costs no worker, whoever asks; another question is tried, and costs one."""

        async def play(sidecar: Sidecar) -> None:
            first = sidecar.pids()[0]
            assert await sidecar.ask(0, path="/loop", correlation_id="l1") == (0, "")
            await replaced(sidecar, 0, first)
            for slot in (0, 1, 0):
                assert await sidecar.ask(slot, path="/loop", correlation_id="l2") == TIMED_OUT
            assert len(sidecar.events()) == 1
            assert await sidecar.ask(1, path="/loop/another", correlation_id="l3") == (0, "")
            await until(lambda: len(sidecar.events()) == 2)
            assert reasons(sidecar, "l2") == ["policy_timeout"] * 3

        played(folder, play)

    def test_after_a_while_it_is_tried_again(self, folder: Path) -> None:
        async def play(sidecar: Sidecar) -> None:
            first = sidecar.pids()[0]
            assert await sidecar.ask(0, path="/loop") == (0, "")
            await replaced(sidecar, 0, first)
            await asyncio.sleep(KEPT)
            assert await sidecar.ask(0, path="/loop") == (0, "")

        played(folder, play)

    def test_another_policy_is_asked(self, folder: Path) -> None:
        """The one that looped is gone, and so is what was known about it."""

        async def play(sidecar: Sidecar) -> None:
            assert await sidecar.ask(0, path="/loop") == (0, "")
            assert await sidecar.ask(1, path="/loop") == TIMED_OUT
            mended = policy('package order\nallow if startswith(input.request.path, "/loop")')
            await sidecar.use(sidecar.rules(revision="r2", policy=mended))
            assert await sidecar.ask(1, path="/loop") == (200, "")
            assert await sidecar.ask(0, path="/loop") == (200, "")

        played(folder, play)

    def test_one_that_nobody_asks_again_is_recorded_by_the_successor(self, folder: Path) -> None:
        """With a single worker too."""

        async def play(sidecar: Sidecar) -> None:
            first = sidecar.pids()[0]
            assert await sidecar.ask(0, path="/loop", correlation_id="l") == (0, "")
            await replaced(sidecar, 0, first)
            await until(lambda: reasons(sidecar, "l") != [], RETRIES_ARE_OVER + PATIENCE)
            await asyncio.sleep(2)
            assert reasons(sidecar, "l") == ["policy_timeout"]
            await until(lambda: sidecar.figures["deny|policy_timeout"] == 1)

        played(folder, play, workers=1)

    def test_the_single_worker_s_successor_answers_the_second_try(self, folder: Path) -> None:
        """Its socket is there all the time: the second try waits there."""

        async def play(sidecar: Sidecar) -> None:
            assert await sidecar.ask(0, path="/loop", correlation_id="l") == (0, "")
            assert await sidecar.ask(0, path="/loop", correlation_id="l") == TIMED_OUT
            await asyncio.sleep(RETRIES_ARE_OVER + 1.5)
            assert reasons(sidecar, "l") == ["policy_timeout"]

        played(folder, play, workers=1)

    def test_a_policy_on_trial_refuses_nobody(self, folder: Path) -> None:
        """Shadow mode: recorded, and let pass."""

        async def play(sidecar: Sidecar) -> None:
            assert await sidecar.ask(0, path="/loop", correlation_id="l") == (0, "")
            assert await sidecar.ask(1, path="/loop", correlation_id="l") == (200, "")
            (record,) = (record for record in sidecar.records() if record["correlation_id"] == "l")
            assert (record["decision"], record["reason"], record["shadow"]) == ("allow", "policy_timeout", True)

        played(folder, play, shadow=True)

    def test_the_budget_is_the_configured_one(self, folder: Path) -> None:
        """What is slow for one is quick for another."""

        async def play(sidecar: Sidecar) -> None:
            assert await sidecar.ask(0, path="/slow") == (0, "")
            await sidecar.use(sidecar.rules(revision="r2", policy=POLICY, evaluation_budget=LONG))
            assert await sidecar.ask(1, path="/slow") == (200, "")

        played(folder, play, evaluation_budget=0.05)


def test_a_question_that_crashes_a_worker_crashes_one(folder: Path) -> None:
    """Told apart from a time-out; the worker that is asked next lives on."""

    async def play(sidecar: Sidecar) -> None:
        second = sidecar.pids()[1]
        assert await sidecar.ask(0, path="/bomb", correlation_id="b") == (0, "")
        assert await sidecar.ask(1, path="/bomb", correlation_id="b") == FAILED
        assert await sidecar.ask(1, correlation_id="other") == (200, "")
        assert sidecar.pids()[1] == second
        assert reasons(sidecar, "b") == ["decision_failed"]

    played(folder, play, evaluation_budget=LONG)  # memory ends before time does


class TestInnocent:
    """A worker that ended from outside says nothing about the question that it was at."""

    @staticmethod
    async def at_work(sidecar: Sidecar, number: signal.Signals) -> tuple[asyncio.Task[tuple[int, str]], str]:
        """The first worker gets the signal in mid-question; and the question's id. Once more if it was quicker."""
        for attempt in count():
            first, name = sidecar.pids()[0], f"s{attempt}"
            working = asyncio.create_task(sidecar.ask(0, path="/slow", correlation_id=name))
            await until(lambda: state_of(first) == "R" or working.done())  # noqa: B023 - it ends before the next
            os.kill(first, number)
            await asyncio.wait({working}, timeout=0.3)
            if not working.done() or working.result() == (0, ""):
                break
            if number == signal.SIGSTOP:
                os.kill(first, signal.SIGCONT)
            else:
                await replaced(sidecar, 0, first)
        return working, name

    @staticmethod
    async def seconds_of_the_second(sidecar: Sidecar, correlation_id: str) -> float:
        """That the second worker takes for it."""
        begun = time.monotonic()
        assert await sidecar.ask(1, path="/slow", correlation_id=correlation_id) == (200, "")
        return time.monotonic() - begun

    def test_the_question_of_a_killed_worker_is_answered_by_the_next(self, folder: Path) -> None:
        async def play(sidecar: Sidecar) -> None:
            working, name = await self.at_work(sidecar, signal.SIGKILL)
            assert await working == (0, "")
            assert await sidecar.ask(1, path="/slow", correlation_id=name) == (200, "")
            await asyncio.sleep(RETRIES_ARE_OVER + 1.5)
            assert reasons(sidecar, name) == ["allowed"]

        played(folder, play, evaluation_budget=LONG)

    def test_that_nobody_asks_again_is_on_record_too(self, folder: Path) -> None:
        async def play(sidecar: Sidecar) -> None:
            working, name = await self.at_work(sidecar, signal.SIGKILL)
            assert await working == (0, "")
            await until(lambda: reasons(sidecar, name) == ["decision_unavailable"], RETRIES_ARE_OVER + PATIENCE)

        played(folder, play, evaluation_budget=LONG)

    def test_the_question_of_a_stopped_worker_is_answered_by_the_next(self, folder: Path) -> None:
        """Without waiting; the stopped one is ended and replaced, and its copy of the question is no second one."""

        async def play(sidecar: Sidecar) -> None:
            first = sidecar.pids()[0]
            alone = await self.seconds_of_the_second(sidecar, "before")
            working, name = await self.at_work(sidecar, signal.SIGSTOP)
            # A machine may be so busy that the stopped one is ended meanwhile; its end is not what was waited for.
            assert await self.seconds_of_the_second(sidecar, name) < 3 * alone or not working.done()
            await replaced(sidecar, 0, first)
            assert await working == (0, "")
            await asyncio.sleep(RETRIES_ARE_OVER + 1.5)
            assert reasons(sidecar, name) == ["allowed"]
            assert sidecar.events() == ["worker_hung", "worker_died"]

        played(folder, play, evaluation_budget=LONG)


class TestHung:
    @pytest.mark.parametrize("workers", [1, 2])
    def test_workers_that_are_stopped_are_replaced_one_after_the_other(self, folder: Path, workers: int) -> None:
        """The second when the first one's successor is at work. One that works is left alone."""

        async def play(sidecar: Sidecar) -> None:
            first = sidecar.pids()
            for pid in first.values():
                os.kill(pid, signal.SIGSTOP)
            for slot, pid in first.items():
                await replaced(sidecar, slot, pid)
            assert sidecar.events() == ["worker_hung", "worker_died"] * workers
            kept = sidecar.pids()
            await asyncio.sleep(3)
            assert sidecar.pids() == kept

        played(folder, play, workers)

    def test_what_waits_at_a_stopped_worker_is_answered_by_its_successor(self, folder: Path) -> None:
        async def play(sidecar: Sidecar) -> None:
            os.kill(sidecar.pids()[0], signal.SIGSTOP)
            assert await sidecar.ask(0) == (200, "")

        played(folder, play, workers=1)

    def test_a_worker_that_works_hard_is_left_alone(self, folder: Path) -> None:
        """Without a beat for longer than a stopped one would live."""

        async def play(sidecar: Sidecar) -> None:
            first = sidecar.pids()[0]
            assert await sidecar.ask(0, path="/loop") == (0, "")
            await replaced(sidecar, 0, first)
            assert sidecar.events() == ["policy_timeout"]

        played(folder, play, evaluation_budget=LONG)
