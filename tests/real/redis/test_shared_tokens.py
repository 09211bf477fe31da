"""Replicas that share tokens in a real Redis: one asks the provider, all use the answer; without Redis each asks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from tests.support.patience import PATIENCE
from tests.support.redis_server import PASSWORD, RedisServer

from authz_service.clock import SystemClock
from authz_service.credentials.oauth2 import Token, TokenRequest
from authz_service.credentials.shared_tokens import SharedTokens, StoreSettings, reach
from authz_service.domain.secret import Secret
from authz_service.errors import FetchError

KEY = "a key of thirty-two characters.."
REQUEST = TokenRequest("https://idp/token", "order-service", Secret("s"), ("data:read",), refresh_before_expiry=60)


@dataclass
class Provider:
    """What the token endpoint would do; counts who asks, and how many at a time."""

    lifetime: float = 300.0
    slow: float = 0.0
    error: str = ""
    asked: int = 0
    at_once: int = 0
    most_at_once: int = 0
    given: list[str] = field(default_factory=list)

    async def fetch(self, request: TokenRequest) -> Token:
        self.asked += 1
        number = self.asked
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(self.slow)
            if self.error:
                raise FetchError(self.error)
            self.given.append(f"token-{number}")
            return Token(Secret(f"token-{number}"), self.lifetime, request.scopes)
        finally:
            self.at_once -= 1


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path) as server:
        yield server


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


async def replicas(
    stack: AsyncExitStack, redis: RedisServer, provider: Provider, number: int, key: str = KEY
) -> list[SharedTokens]:
    made = [
        SharedTokens(StoreSettings(Secret(redis.url), Secret(key)), provider.fetch, SystemClock())
        for _ in range(number)
    ]
    for replica in made:
        stack.push_async_callback(replica.close)
    return made


def test_twenty_replicas_that_start_at_once_ask_the_provider_once(redis: RedisServer) -> None:
    async def work() -> None:
        provider = Provider(slow=0.3)
        async with AsyncExitStack() as stack:
            some = await replicas(stack, redis, provider, 20)
            tokens = await asyncio.gather(*(one.fetch(REQUEST) for one in some))

        assert provider.asked == 1
        assert {token.value.reveal() for token in tokens} == {"token-1"}
        assert all(290 < token.lifetime <= 300 for token in tokens)

    run(work())


def test_another_request_and_another_key_are_another_token(redis: RedisServer) -> None:
    """The twin of the test above: nothing is shared that should not be."""

    async def work() -> None:
        provider = Provider()
        async with AsyncExitStack() as stack:
            [one, two] = await replicas(stack, redis, provider, 2)
            [stranger] = await replicas(stack, redis, provider, 1, key="another key of thirty-two chars.")
            first = await one.fetch(REQUEST)
            assert (await two.fetch(REQUEST)).value == first.value
            assert (await two.fetch(replace(REQUEST, client_id="payment-service"))).value != first.value
            assert (await stranger.fetch(REQUEST)).value != first.value

    run(work())


def test_redis_never_sees_a_token(redis: RedisServer) -> None:
    async def work() -> None:
        async with AsyncExitStack() as stack:
            [one] = await replicas(stack, redis, Provider(), 1)
            await one.fetch(REQUEST)
            keys = await one._redis.keys("*")
            assert len(keys) == 1
            assert b"token-1" not in (await one._redis.get(keys[0]) or b"")
            assert b"order-service" not in keys[0]

    run(work())


@pytest.mark.parametrize(("lifetime", "asked"), [(70.0, 1), (65.0, 1), (0.6, 2)])
def test_a_token_near_its_end_is_fetched_anew(redis: RedisServer, lifetime: float, asked: int) -> None:
    """Due is what is left when it would be renewed: 60 s before the end, or half of a short life, and a tenth."""

    async def work() -> None:
        provider = Provider(lifetime=lifetime)
        async with AsyncExitStack() as stack:
            [one, two] = await replicas(stack, redis, provider, 2)
            await one.fetch(REQUEST)
            await asyncio.sleep(0.3)
            await two.fetch(REQUEST)

        assert provider.asked == asked

    run(work())


def test_a_provider_that_fails_is_asked_by_one_at_a_time_and_each_hears_why(redis: RedisServer) -> None:
    async def work() -> None:
        provider = Provider(error="the provider is down", slow=0.05)
        async with AsyncExitStack() as stack:
            some = await replicas(stack, redis, provider, 5)
            found = await asyncio.gather(*(one.fetch(REQUEST) for one in some), return_exceptions=True)
            assert {str(error) for error in found} == {"the provider is down"}
            assert provider.most_at_once == 1

            provider.error = ""
            assert (await some[0].fetch(REQUEST)).value.reveal() == provider.given[0]

    run(work())


def _killed(redis: RedisServer) -> None:
    redis.kill()


def _frozen(redis: RedisServer) -> None:
    redis.freeze()


@pytest.mark.parametrize("fault", [_killed, _frozen])
def test_without_redis_each_replica_has_its_own_and_with_it_they_share_again(
    redis: RedisServer, fault: Callable[[RedisServer], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never a failed request; and the trouble is told, and untold."""
    monkeypatch.setattr("authz_service.credentials.shared_tokens._LEAVE_ALONE", 0.2)

    async def work() -> None:
        provider = Provider()
        async with AsyncExitStack() as stack:
            [one, two] = await replicas(stack, redis, provider, 2)
            await one.fetch(REQUEST)
            assert (one.problem, two.problem) == ("", "")

            fault(redis)
            other = replace(REQUEST, client_id="another")
            first, second = await asyncio.gather(one.fetch(other), two.fetch(other))
            assert first.value != second.value
            assert one.problem
            assert two.problem

            redis.thaw() if fault is _frozen else redis.start()
            async with asyncio.timeout(PATIENCE):  # both leave Redis alone for a while
                for number in count():
                    new = replace(REQUEST, client_id=f"new-{number}")
                    first, second = await one.fetch(new), await two.fetch(new)
                    if (first.value, one.problem, two.problem) == (second.value, "", ""):
                        break
                    await asyncio.sleep(0.1)

    run(work())


def test_a_replica_that_died_while_it_asked_holds_the_others_up_for_a_while_only(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lock ends by itself; who waits longer than patience asks without it."""
    monkeypatch.setattr("authz_service.credentials.shared_tokens.PATIENCE", 0.5)

    async def work() -> None:
        provider = Provider()
        async with AsyncExitStack() as stack:
            [dead, alive] = await replicas(stack, redis, provider, 2)
            from authz_service.credentials.shared_tokens import entry_name

            assert await dead._redis.lock(f"{entry_name(REQUEST)}:lock", timeout=30).acquire()
            assert (await alive.fetch(REQUEST)).value.reveal() == "token-1"

    run(work())


def test_what_somebody_else_wrote_there_is_not_used(redis: RedisServer) -> None:
    async def work() -> None:
        provider = Provider()
        async with AsyncExitStack() as stack:
            [one] = await replicas(stack, redis, provider, 1)
            await one.fetch(REQUEST)
            [key] = await one._redis.keys("*")
            await one._redis.set(key, b"forged", px=300_000)
            assert (await one.fetch(REQUEST)).value.reveal() == "token-2"

    run(work())


def test_check_online_says_whether_redis_takes_us(redis: RedisServer) -> None:
    """With the password, and not with another one, which is not shown."""

    async def ask(url: str) -> None:
        await reach(StoreSettings(Secret(url), Secret(KEY)))

    run(ask(redis.url))
    with pytest.raises(FetchError, match="AuthenticationError") as error:
        run(ask(redis.url.replace(PASSWORD, "another-password")))
    assert "another-password" not in str(error.value)
