"""The service's own tokens for its targets: kept fresh for Envoy, shared with other replicas where that is wanted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from authz_service.clock import Clock
from authz_service.config.model import Config, OAuth2, TokensInRedis, TokenStore
from authz_service.control_plane.part import Gauge, Part
from authz_service.control_plane.sources.http_clients import HttpClients
from authz_service.control_plane.sources.provider_requests import token_request
from authz_service.credentials.oauth2 import Token, TokenRequest, fetch_token
from authz_service.credentials.token_refresher import TokenState
from authz_service.credentials.token_refreshers import Subscription, TokenRefreshers

if TYPE_CHECKING:  # Redis' client is imported by those who share
    from authz_service.credentials.shared_tokens import SharedTokens, StoreSettings

Publish = Callable[[str, str | None], None]  # (target, token; None = there is none)


class TargetTokens(Part):
    """Follows the configuration: what did not change in it keeps its tokens."""

    def __init__(self, clients: HttpClients, publish: Publish, clock: Clock) -> None:
        self._clients = clients
        self._publish = publish
        self._clock = clock
        self._refreshers = TokenRefreshers(self._fetch, clock)
        self._store: TokenStore | None = None
        self._shared: SharedTokens | None = None

    async def update(self, config: Config) -> None:
        """Returns before the first tokens are there; never raises for their lack."""
        await self._follow_store(config)
        await self._refreshers.update(self._subscriptions(config))

    def states(self) -> list[TokenState]:
        return self._refreshers.states()

    async def doubt(self, target: str) -> None:
        """It answered 401: the token was taken back, maybe, and Redis may still have it for all of us."""
        if self._shared is not None:
            self._shared.pass_over_older()
        await self._refreshers.doubt(target)

    async def ask_anew(self) -> None:
        if self._shared is not None:
            self._shared.pass_over_older()
        await self._refreshers.ask_anew()

    def missing(self, *, starting: bool) -> Iterator[str]:
        """Later on, requests to one target get 503; the others and the ingress go on."""
        for state in self.states() if starting else ():
            if state.state == "missing":
                yield f"no token yet for {', '.join(state.targets)}: {state.last_error or 'asking'}"

    def degraded(self) -> Iterator[str]:
        for state in self.states():
            if state.state != "fresh":
                yield f"token for {', '.join(state.targets)} is {state.state}: {state.last_error}"
        if self._shared is not None and self._shared.problem:
            yield f"tokens are not shared: {self._shared.problem} of the token store"

    def gauges(self) -> Iterator[Gauge]:
        now, states = self._clock.now(), self.states()
        ages = {target: max(0.0, now - s.obtained_at) for s in states if s.obtained_at for target in s.targets}
        yield Gauge("authz_token_age_seconds", "Since a target's token was fetched.", "target", ages)
        ends = {target: s.expires_at or 0.0 for s in states for target in s.targets}
        yield Gauge(
            "authz_token_expiry_timestamp_seconds", "When a target's token ends; 0 without one.", "target", ends
        )

    async def stop(self) -> None:
        await self._refreshers.stop()
        if self._shared is not None:
            await self._shared.close()

    def _subscriptions(self, config: Config) -> list[Subscription]:
        if not config.egress.enabled:
            return []
        return [
            Subscription(name, token_request(target.auth, target.tls), partial(self._publish, name))
            for name, target in config.egress.targets.items()
            if isinstance(target.auth, OAuth2) and target.auth.has_own_token
        ]

    async def _follow_store(self, config: Config) -> None:
        """Tokens in hand stay: only where the next ones are looked for changes."""
        wanted = config.egress.token_store if config.egress.enabled else None
        if wanted == self._store:
            return
        self._store, before, self._shared = wanted, self._shared, None
        if isinstance(wanted, TokensInRedis):
            from authz_service.credentials.shared_tokens import SharedTokens

            self._shared = SharedTokens(store_settings(wanted), self._ask, self._clock)
        if before is not None:
            await before.close()

    async def _fetch(self, request: TokenRequest) -> Token:
        return await (self._ask if self._shared is None else self._shared.fetch)(request)

    async def _ask(self, request: TokenRequest) -> Token:
        client = self._clients.to(request.ca_file, request.client_pair, timeout=request.timeout)
        return await fetch_token(client.post_form, request, time.time)


def store_settings(store: TokensInRedis) -> StoreSettings:
    from authz_service.credentials.shared_tokens import StoreSettings

    return StoreSettings(store.url, store.encryption_key, store.ca_file)
