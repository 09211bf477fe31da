"""Three tries, of which the first answer counts; whatever else a worker's socket does, nothing is allowed by it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from tests.support.scripted_worker import ALLOW, HANGS_UP, SILENCE, ScriptedWorker, refusal

from authz_service.decision_point.asked import Question
from authz_service.decision_point.workers import Workers

QUESTION = Question(b"GET /x HTTP/1.1\r\nhost: a\r\n\r\n", is_head=False, correlation_id=b"c-1")
SOON = 0.05  # seconds of patience, where there is nothing to wait for
LONG = 10.0

Play = Callable[[Workers, list[ScriptedWorker]], Awaitable[None]]


def play(folder: Path, scripts: list[list[bytes]], attempt: float, part: Play) -> None:
    async def run() -> None:
        async with AsyncExitStack() as stack:
            servers = [
                await stack.enter_async_context(ScriptedWorker(folder / f"{slot}", script))
                for slot, script in enumerate(scripts)
            ]
            workers = Workers(tuple(each.path for each in servers), attempt)
            try:
                await part(workers, servers)
            finally:
                workers.close()
                await asyncio.sleep(0)

    asyncio.run(run())


def test_an_answer_is_handed_on_and_its_connection_used_again(tmp_path: Path) -> None:
    """Yes and no, on one connection; the standby is not asked."""

    async def part(workers: Workers, servers: list[ScriptedWorker]) -> None:
        assert (await workers.ask(QUESTION)).allowed
        refused = await workers.ask(QUESTION)
        assert (refused.status, refused.allowed) == (403, False)
        assert (await workers.ask(QUESTION._replace(is_head=True))).status == 403
        assert [each.connections for each in servers] == [1, 0]

    head = refusal(403, "policy_denied").partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    play(tmp_path, [[ALLOW, refusal(403, "policy_denied"), head], [ALLOW]], LONG, part)


@pytest.mark.parametrize("first", [HANGS_UP, SILENCE], ids=["hangs up", "is silent"])
def test_the_standby_answers_for_who_does_not(tmp_path: Path, first: bytes) -> None:
    """Once; and where it does not either, the first is asked anew."""

    async def part(workers: Workers, servers: list[ScriptedWorker]) -> None:
        assert (await workers.ask(QUESTION)).status == 403
        servers[0].answers, servers[1].answers = [first, ALLOW], [first]
        assert (await workers.ask(QUESTION)).allowed
        assert [len(each.asked) for each in servers] == [3, 2]

    play(tmp_path, [[first], [refusal(403, "policy_denied")]], 0.5, part)


@pytest.mark.parametrize(
    "script",
    [
        [HANGS_UP],
        [SILENCE],
        [b"HTTP/1.1 200"],
        [b"nonsense\r\n\r\n"],
        [b"HTTP/1.1 302 \r\ncontent-length: 0\r\n\r\n"],
        [b"HTTP/1.1 500 \r\ncontent-length: 0\r\n\r\n"],
        [b"HTTP/1.1 200 \r\nno colon\r\n\r\n"],
        [b"HTTP/1.1 200 \r\ncontent-length: x\r\n\r\n"],
        [ALLOW + ALLOW],
        [b"HTTP/1.1 200 \r\nx: " + b"y" * 140_000],
    ],
    ids=["hangs up", "silent", "cut", "nonsense", "302", "500", "no colon", "no length", "two answers", "too long"],
)
def test_without_an_answer_nothing_is_allowed(tmp_path: Path, script: list[bytes]) -> None:
    """503, as decision_unavailable."""

    async def part(workers: Workers, servers: list[ScriptedWorker]) -> None:
        answered = await workers.ask(QUESTION)
        assert (answered.status, answered.allowed) == (503, False)
        assert b"decision_unavailable" in answered.body

    play(tmp_path, [script, script], SOON, part)


def test_who_listens_nowhere_is_no_allow(tmp_path: Path) -> None:
    async def run() -> None:
        answered = await Workers((str(tmp_path / "nobody"),), LONG).ask(QUESTION)
        assert (answered.status, answered.allowed) == (503, False)

    asyncio.run(run())


def test_what_a_worker_says_unasked_ends_its_connection(tmp_path: Path) -> None:
    """It is not taken for the answer to the next question."""

    async def part(workers: Workers, servers: list[ScriptedWorker]) -> None:
        assert (await workers.ask(QUESTION)).status == 403
        [way] = [each for each in workers._ways if each._idle]
        way._idle[0].data_received(ALLOW)
        await asyncio.sleep(0)
        assert (await workers.ask(QUESTION)).status == 403
        assert servers[0].connections == 2

    play(tmp_path, [[refusal(403, "policy_denied")], [ALLOW]], LONG, part)


def test_the_last_question_is_answered_after_the_end(tmp_path: Path) -> None:
    """By other rules there are other ways: these are closed, and a connection in use is closed after its answer."""

    async def part(workers: Workers, servers: list[ScriptedWorker]) -> None:
        asking = asyncio.ensure_future(workers.ask(QUESTION))
        while not servers[0].asked:
            await asyncio.sleep(0)
        workers.close()
        assert (await asking).allowed
        assert [list(each._idle) for each in workers._ways] == [[], []]

    play(tmp_path, [[ALLOW], [ALLOW]], LONG, part)
