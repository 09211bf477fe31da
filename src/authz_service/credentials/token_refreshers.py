"""All token refreshers of one egress, as the configuration of the moment wants them. Not how one keeps its token."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from authz_service.clock import Clock
from authz_service.credentials.oauth2 import CacheKey, TokenRequest, cache_key
from authz_service.credentials.token_refresher import Fetch, Publish, TokenRefresher, TokenState, hand_over
from authz_service.logs import about


@dataclass(frozen=True, slots=True)
class Subscription:
    """A target wants the token of `request`; `publish` gets it at once and at every change, None when there is none."""

    target: str
    request: TokenRequest
    publish: Publish


class TokenRefreshers:
    """All refreshers of one egress, as the configuration of the moment wants them."""

    def __init__(self, fetch: Fetch, clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock
        self._refreshers: dict[CacheKey, TokenRefresher] = {}
        self._publishers: dict[str, Publish] = {}
        self._changing = asyncio.Lock()

    async def update(self, subscriptions: Iterable[Subscription]) -> None:
        """Serve these targets, and no others. Tokens whose cache key stays are kept.

        A target that moves to another key keeps its old token until the new one was asked for once: make before break.
        """
        async with self._changing:
            wanted: dict[CacheKey, dict[str, Subscription]] = {}
            for subscription in subscriptions:
                wanted.setdefault(cache_key(subscription.request), {})[subscription.target] = subscription
            for key, by_target in wanted.items():
                await self._require(key, next(iter(by_target.values())).request)
            if self._publishers:  # nothing is in use at the first start, so there is nothing to wait for
                await asyncio.gather(*(self._refreshers[key].attempted.wait() for key in wanted))
            await self._switch({key: {name: one.publish for name, one in wanted[key].items()} for key in wanted})

    async def doubt(self, target: str) -> None:
        """It has answered 401."""
        async with self._changing:
            for refresher in self._refreshers.values():
                if target in refresher.targets:
                    await refresher.doubt()

    async def ask_anew(self) -> None:
        """For every token, now: somebody says that they are no longer good."""
        async with self._changing:
            for refresher in self._refreshers.values():
                await refresher.ask_anew()

    def states(self) -> list[TokenState]:
        return [refresher.state() for refresher in self._refreshers.values()]

    async def stop(self) -> None:
        """Stop refreshing. What was published stays: the proxy may still be finishing requests."""
        async with self._changing:
            for refresher in self._refreshers.values():
                await refresher.stop()
            self._refreshers.clear()

    async def _require(self, key: CacheKey, request: TokenRequest) -> None:
        if key in self._refreshers:
            await self._refreshers[key].ask_with(request)
        else:
            self._refreshers[key] = TokenRefresher(request, self._fetch, self._clock)
            self._refreshers[key].start()

    async def _switch(self, wanted: dict[CacheKey, dict[str, Publish]]) -> None:
        unwanted = [self._refreshers.pop(key) for key in self._refreshers.keys() - wanted.keys()]
        for refresher in unwanted:
            refresher.serve({})  # silent from here on: its targets hear the new refresher
        for key, subscribers in wanted.items():
            self._refreshers[key].serve(subscribers)
        before, self._publishers = (
            self._publishers,
            {t: publish for each in wanted.values() for t, publish in each.items()},
        )
        for target in before.keys() - self._publishers.keys():
            hand_over(before[target], None, about(target=target))
        for refresher in unwanted:
            await refresher.stop()
