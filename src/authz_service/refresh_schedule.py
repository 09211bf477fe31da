"""When to ask a server again: after a success with jitter, after failures in a row with back-off. Asks nobody."""

import asyncio
import math

from authz_service.clock import Clock, retry_delay, scattered, sleep_until


class RefreshSchedule:
    """Of one thing that is asked for again and again. The first time is now."""

    def __init__(self, clock: Clock, *, first_retry: float) -> None:
        """`first_retry`: seconds after one failure; with each further one they double."""
        self.failures = 0  # in a row
        self.last_error = ""
        self._clock = clock
        self._first_retry = first_retry
        self._next = clock.steady()
        self._in_vain = 0  # failures since `ask_now`
        self._had_success = False

    async def due(self) -> None:
        """Wait until it is time."""
        await sleep_until(self._clock, lambda: self._next)

    @property
    def is_due(self) -> bool:
        return self._next <= self._clock.steady()

    @property
    def next_at(self) -> float:
        """Seconds since the epoch."""
        return self._clock.now() + self._next - self._clock.steady()

    def ask_now(self) -> None:
        """And wait as after the first failure, if it fails."""
        self._next, self._in_vain = self._clock.steady(), 0

    def succeeded(self, pause: float, *, scatter: bool = True, shortest: float = 0.0) -> None:
        """Ask again in `pause` seconds; scattered, where all sidecars succeed now: at start, after an outage."""
        is_everybodys = scatter and (self.failures > 0 or not self._had_success)
        self._next = self._clock.steady() + max(scattered(self._clock, pause) if is_everybodys else pause, shortest)
        self._had_success = True
        self.failures, self._in_vain, self.last_error = 0, 0, ""

    def failed(
        self,
        error: str,
        *,
        longest: float,
        retry_after: float | None = None,
        spent: float = 0.0,
        latest: float = math.inf,
    ) -> float:
        """The seconds until the next attempt: never above `longest`, but for `retry_after`; never above `latest`."""
        self.failures += 1
        self._in_vain += 1
        self.last_error = error
        pause = retry_delay(
            self._clock, self._in_vain, first=self._first_retry, longest=longest, retry_after=retry_after, spent=spent
        )
        pause = min(pause, latest)
        self._next = self._clock.steady() + pause
        return pause


async def stop_tasks(*tasks: asyncio.Task[None] | None) -> None:
    running = [task for task in tasks if task]
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
