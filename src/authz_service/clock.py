"""Time, waiting and chance, passed in as one object, so that a test owns them. Not a scheduler."""

import asyncio
import random
import sys
import time
from collections.abc import Callable
from typing import Protocol

# A wait is cut into pieces, so that a machine that slept (its timers stood still meanwhile) notices within this time.
_LONGEST_SLEEP = 10.0
_LONGEST_RETRY_AFTER = 300.0


class Clock(Protocol):
    def now(self) -> float:
        """Seconds since the epoch; may jump when somebody sets the clock."""

    def steady(self) -> float:
        """Seconds that never jump, for deadlines."""

    async def sleep(self, seconds: float) -> None: ...

    def random(self) -> float:
        """At least 0, below 1."""


class SystemClock:
    """The real thing, and the only place that reads it."""

    def now(self) -> float:
        return time.time()

    def steady(self) -> float:
        # On Linux this clock counts a suspended laptop's time too: tokens grow old while it sleeps.
        return time.clock_gettime(time.CLOCK_BOOTTIME) if sys.platform == "linux" else time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def random(self) -> float:
        return random.random()  # noqa: S311 - spreads load, guards nothing


async def sleep_until(clock: Clock, deadline: Callable[[], float]) -> None:
    """Return at the deadline (of `steady`), not before it. One that moves nearer is noticed within ten seconds."""
    while (left := deadline() - clock.steady()) > 0:
        await clock.sleep(min(left, _LONGEST_SLEEP))


def jittered(clock: Clock, seconds: float) -> float:
    """`seconds`, up to a tenth more or less, so that a thousand sidecars do not move in step."""
    return seconds * (0.9 + 0.2 * clock.random())


def scattered(clock: Clock, seconds: float) -> float:
    """Some part of `seconds`, a fifth at least: once, after what all sidecars had at the same moment, so that from then
    on they are all over the interval. Jitter alone takes a hundred rounds for that.
    """
    return seconds * (0.2 + 0.8 * clock.random())


def retry_delay(
    clock: Clock, failures: int, *, first: float, longest: float, retry_after: float | None, spent: float = 0.0
) -> float:
    """Seconds to wait after the n-th failure in a row: doubling from `first`, never above `longest`, half of it chance.

    What the attempt itself has `spent` until it failed counts as waiting: who hears nothing for five seconds has waited
    enough. A peer that names its own time (Retry-After) is obeyed, within five minutes.
    """
    steps: int = 2 ** min(max(failures - 1, 0), 30)
    own = min(longest, first * steps) * (0.5 + 0.5 * clock.random())
    own = max(min(own, first), own - spent)
    asked = min(retry_after or 0.0, _LONGEST_RETRY_AFTER) * (1 + 0.1 * clock.random())
    return max(own, asked)
