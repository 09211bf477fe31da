"""A clock that moves only when a test says so, and a way to write an async test without a plugin."""

import asyncio
import functools
import heapq
import itertools
from collections.abc import Awaitable, Callable
from typing import ParamSpec

P = ParamSpec("P")
EPOCH = 1_700_000_000.0


def async_test(test: Callable[P, Awaitable[None]]) -> Callable[P, None]:
    """Run the coroutine in a loop of its own; it fails if the test leaves a task behind."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        async def scenario() -> None:
            await test(*args, **kwargs)
            left = asyncio.all_tasks() - {asyncio.current_task()}
            assert not left, f"tasks left behind: {left}"

        asyncio.run(scenario())

    return run


class FakeClock:
    """`advance` wakes the sleepers in their order, each at its own moment. `chance` is what random() says."""

    def __init__(self, chance: float = 0.5) -> None:
        self.chance = chance
        self.wall_offset = EPOCH  # change it to set the wall clock without the steady one
        self._time = 1_000.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def now(self) -> float:
        return self._time + self.wall_offset

    def steady(self) -> float:
        return self._time

    def random(self) -> float:
        return self.chance

    async def sleep(self, seconds: float) -> None:
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._time + seconds, next(self._order), waiting))
        await waiting

    async def advance(self, seconds: float) -> None:
        """Let this much time pass; whoever is due on the way acts on the way."""
        end = self._time + seconds
        await settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            due, _, sleeper = heapq.heappop(self._sleepers)
            self._time = max(self._time, due)
            if not sleeper.done():
                sleeper.set_result(None)
                await settle()
        self._time = end
        await settle()


async def settle() -> None:
    """Let every task run until it waits for something."""
    for _ in range(20):
        await asyncio.sleep(0)
