"""Hundreds of sidecars and one identity provider: after what all of them had at once they do not move in step."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
import random
from collections import Counter
from collections.abc import Sequence

import pytest
from tests.support.fake_clock import EPOCH, async_test

from authz_service.credentials.oauth2 import Token, TokenRequest
from authz_service.credentials.token_refresher import TokenRefresher
from authz_service.domain.secret import Secret
from authz_service.errors import FetchError

PODS = 600
LIFETIME, BEFORE = 300.0, 60.0
_TICK = 0.5  # whoever is due within it is woken together
_WINDOW = 10.0


class CrowdsClock:
    """As FakeClock, for many at once; chance is chance, from a seed."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._time = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def now(self) -> float:
        return self._time + EPOCH

    def steady(self) -> float:
        return self._time

    def random(self) -> float:
        return self._chance.random()

    async def sleep(self, seconds: float) -> None:
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._time + seconds, next(self._order), waiting))
        await waiting

    async def advance(self, until: float) -> None:
        while self._time < until:
            self._time += _TICK
            while self._sleepers and self._sleepers[0][0] <= self._time:
                _, _, sleeper = heapq.heappop(self._sleepers)
                if not sleeper.done():
                    sleeper.set_result(None)
            for _ in range(4):
                await asyncio.sleep(0)


class Provider:
    def __init__(self, clock: CrowdsClock) -> None:
        self.clock = clock
        self.is_down = False
        self.asked: list[float] = []

    async def __call__(self, request: TokenRequest) -> Token:
        self.asked.append(self.clock.steady())
        if self.is_down:
            raise FetchError("the identity provider does not answer")
        return Token(Secret("token"), LIFETIME, request.scopes)

    def peak_to_mean(self, start: float, end: float) -> float:
        """Requests in the busiest ten seconds, by those in ten seconds on the average."""
        times: Sequence[float] = [at - start for at in self.asked if start <= at < end]
        windows = Counter(int(at / _WINDOW) for at in times)
        return max(windows.values()) * (end - start) / _WINDOW / len(times)


@async_test
async def test_a_start_and_an_outage_are_no_herd_afterwards(caplog: pytest.LogCaptureFixture) -> None:
    """All start at once; then the provider is away for longer than a token lives. While it is away, and in the rounds
    after either, the busiest ten seconds have at most twice the mean.
    """
    caplog.set_level(logging.CRITICAL)  # each failure is a line
    clock = CrowdsClock(seed=1)
    provider = Provider(clock)
    request = TokenRequest("https://idp.example/token", "order", Secret("s"), ("read",), refresh_before_expiry=BEFORE)
    pods = [TokenRefresher(request, provider, clock) for _ in range(PODS)]
    for pod in pods:
        pod.start()
    await clock.advance(750)
    provider.is_down = True
    await clock.advance(1_150)
    provider.is_down = False
    await clock.advance(1_700)
    for pod in pods:
        await pod.stop()

    assert provider.peak_to_mean(50, 750) <= 2
    assert provider.peak_to_mean(1_060, 1_150) <= 2  # all without a token, and asking every few seconds
    assert len([at for at in provider.asked if 1_150 <= at < 1_156]) >= PODS  # back: everybody's within five seconds
    assert provider.peak_to_mean(1_200, 1_700) <= 2
