"""The control plane's own calls: issuers' keys for the workers, tokens for Envoy. Not the service's calls."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from authz_service.clock import Clock
from authz_service.config.model import Config, OAuth2, TokensInRedis, TokenStore
from authz_service.control_plane.sources.provider_requests import (
    endpoints,
    exchange_requests,
    key_settings,
    token_request,
)
from authz_service.credentials.oauth2 import Token, TokenRequest, fetch_token
from authz_service.credentials.token_exchange import RESULTS, Exchanger
from authz_service.credentials.token_refresher import TokenState
from authz_service.credentials.token_refreshers import Subscription, TokenRefreshers
from authz_service.domain.questions import Absent, Active, Answer, Asked, Exchange, Key
from authz_service.domain.rules import IssuerKeys
from authz_service.http_client import HttpClient
from authz_service.identity.key_set import read_key_set
from authz_service.trust.introspection import Introspector
from authz_service.trust.issuer_keys import KeySettings, KeySource, KeyState

if TYPE_CHECKING:  # Redis' client is imported by those who share
    from authz_service.credentials.shared_tokens import SharedTokens, StoreSettings

# Whom a connection trusts, what it shows, whether it exchanges users' tokens (those may be many, and shall be in
# nobody's way), and how long an answer may take.
_Place = tuple[Path | None, tuple[Path, Path] | None, bool, float]
_Wanted = tuple[KeySettings, Path | None]  # and the CA file of the issuer's server
_NO_KEY_FOR = 1.0  # seconds: the answer for all who wait for it; a key that comes meanwhile is used all the same
PublishKeys = Callable[[IssuerKeys], None]
PublishToken = Callable[[str, str | None], None]  # (target, token; None = there is none)


@dataclass(frozen=True, slots=True)
class ExchangeState:
    """What an operator may see of a target for which users' tokens are exchanged."""

    targets: tuple[str, ...]
    token_url: str
    client_id: str
    audience: str
    scopes: tuple[str, ...]
    last_error: str


class Outbound:
    """Follows the configuration: what did not change in it keeps its keys, tokens and connections."""

    def __init__(
        self,
        saved_keys: Path,
        publish_keys: PublishKeys,
        publish_token: PublishToken,
        clock: Clock,
        introspections: Counter[str],
        exchanges: Counter[tuple[str, str]],
    ) -> None:
        """`introspections` and `exchanges` count them, as Counters does."""
        self._saved_keys = saved_keys
        self._publish_keys = publish_keys
        self._publish_token = publish_token
        self._clock = clock
        self._hosts: dict[str, str] = {}
        self._clients: dict[_Place, HttpClient] = {}
        self._sources: dict[_Wanted, KeySource] = {}
        self._introspections = introspections
        self._introspectors: dict[str, Introspector] = {}  # by issuer
        self._exchanges = exchanges
        self._exchangers: dict[str, Exchanger] = {}  # by ExchangeRules.key
        self._tokens = TokenRefreshers(self._fetch_token, clock)
        self._store: TokenStore | None = None
        self._shared: SharedTokens | None = None

    async def update(self, config: Config) -> None:
        """Fetch for this configuration from now on; returns before the first answers are there, never raises for
        their lack.
        """
        if config.hosts != self._hosts:
            self._hosts = dict(config.hosts)
            await self._stop_sources(set(self._sources))
            self._stop_introspectors(set(self._introspectors))
            self._stop_exchangers(set(self._exchangers))
            await self._close_clients()
        wanted = self._wanted_sources(config)
        await self._stop_sources(self._sources.keys() - wanted)
        for settings, ca_file in wanted:
            if (settings, ca_file) not in self._sources:
                client = self._client(ca_file)
                source = KeySource(
                    settings, client.get, parse=read_key_set, publish=self._publish_keys, clock=self._clock
                )
                self._sources[settings, ca_file] = source
                source.start()
        await self._follow_store(config)
        self._update_introspectors(config)
        self.exchange_for(config)
        self._stop_exchangers(self._exchangers.keys() - exchange_requests(config).keys())
        await self._tokens.update(self._subscriptions(config))

    async def answer(self, question: Asked) -> Answer | None:
        """What a worker wants to know; None when nobody could be asked."""
        match question:
            case Key(issuer, kid):
                return await self._refetch(issuer, kid)
            case Active(issuer, token):
                introspector = self._introspectors.get(issuer)
                return None if introspector is None else await introspector.ask(token)
            case Exchange(target):
                exchanger = self._exchangers.get(target)
                return None if exchanger is None else await exchanger.exchange(question)

    async def _refetch(self, issuer: str, kid: str) -> Answer:
        """When it returns, the issuer's newest keys were published, or there is nothing newer for now."""
        for (settings, _), source in self._sources.items():
            if settings.issuer == issuer:
                await source.refetch(kid)
        return Absent(holds=_NO_KEY_FOR)

    def exchange_for(self, config: Config) -> None:
        """For the targets of this configuration too, until `update` leaves those of one configuration."""
        for key, (target, request) in exchange_requests(config).items():
            post_form = self._client(request.ca_file, request.client_pair, exchanges=True).post_form
            for result in RESULTS:
                self._exchanges[target, result] += 0
            known = self._exchangers.setdefault(key, Exchanger(target, request, post_form, time.time, self._exchanges))
            known.request, known.post_form = request, post_form  # a new secret; what is in flight goes on

    def exchange_states(self) -> list[ExchangeState]:
        return [
            ExchangeState(
                (one.target,), one.request.shown_url, one.request.client_id, one.request.audience,
                one.request.scopes, one.last_error,
            )
            for one in list(self._exchangers.values())
        ]  # fmt: skip

    def introspection_errors(self) -> dict[str, str]:
        """By issuer, where the last question failed."""
        return {issuer: one.last_error for issuer, one in list(self._introspectors.items()) if one.last_error}

    def key_states(self) -> list[KeyState]:
        return [source.state() for source in self._sources.values()]

    def token_states(self) -> list[TokenState]:
        return self._tokens.states()

    async def doubt_token(self, target: str) -> None:
        """It answered 401: the token was taken back, maybe, and Redis may still have it for all of us."""
        if self._shared is not None:
            self._shared.pass_over_older()
        await self._tokens.doubt(target)

    async def ask_for_tokens_anew(self) -> None:
        if self._shared is not None:
            self._shared.pass_over_older()
        await self._tokens.ask_anew()

    def token_store_problem(self) -> str:
        """Why tokens are not shared at the moment, although they should be."""
        return self._shared.problem if self._shared is not None else ""

    async def stop(self) -> None:
        await self._tokens.stop()
        if self._shared is not None:
            await self._shared.close()
        self._stop_introspectors(set(self._introspectors))
        self._stop_exchangers(set(self._exchangers))
        await self._stop_sources(set(self._sources))
        await self._close_clients()

    def _wanted_sources(self, config: Config) -> set[_Wanted]:
        if not (config.proxy.enabled and config.proxy.auth.enabled):
            return set()
        return {
            (
                key_settings(issuer, self._saved_keys / f"{index}.json" if issuer.jwks_file is None else None),
                issuer.ca_file,
            )
            for index, issuer in enumerate(config.issuers)
        }

    def _update_introspectors(self, config: Config) -> None:
        """What did not change keeps its questions in flight."""
        wanted = endpoints(config) if config.proxy.enabled and config.proxy.auth.enabled else {}
        same = {issuer for issuer, one in self._introspectors.items() if wanted.get(issuer) == one.endpoint}
        self._stop_introspectors(self._introspectors.keys() - same)
        for issuer in wanted.keys() - same:
            endpoint = wanted[issuer]
            post_form = self._client(endpoint.ca_file).post_form
            self._introspectors[issuer] = Introspector(endpoint, post_form, self._introspections)

    def _stop_introspectors(self, unwanted: set[str]) -> None:
        for issuer in unwanted:
            self._introspectors.pop(issuer).stop()

    def _stop_exchangers(self, unwanted: set[str]) -> None:
        for key in unwanted:
            self._exchangers.pop(key).stop()

    def _subscriptions(self, config: Config) -> list[Subscription]:
        if not config.egress.enabled:
            return []
        return [
            Subscription(name, token_request(target.auth, target.tls), partial(self._publish_token, name))
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

            self._shared = SharedTokens(store_settings(wanted), self._ask_for_token, self._clock)
        if before is not None:
            await before.close()

    async def _fetch_token(self, request: TokenRequest) -> Token:
        return await (self._ask_for_token if self._shared is None else self._shared.fetch)(request)

    async def _ask_for_token(self, request: TokenRequest) -> Token:
        client = self._client(request.ca_file, request.client_pair, timeout=request.timeout)
        return await fetch_token(client.post_form, request, time.time)

    def _client(
        self,
        ca_file: Path | None,
        client_pair: tuple[Path, Path] | None = None,
        *,
        exchanges: bool = False,
        timeout: float = 5.0,
    ) -> HttpClient:
        place = (ca_file, client_pair, exchanges, timeout)
        if place not in self._clients:
            self._clients[place] = HttpClient(self._hosts, ca_file, timeout, client_pair)
        return self._clients[place]

    async def _stop_sources(self, unwanted: set[_Wanted]) -> None:
        for wanted in unwanted:
            await self._sources.pop(wanted).stop()

    async def _close_clients(self) -> None:
        clients, self._clients = self._clients, {}
        for client in clients.values():
            await client.aclose()


def store_settings(store: TokensInRedis) -> StoreSettings:
    from authz_service.credentials.shared_tokens import StoreSettings

    return StoreSettings(store.url, store.encryption_key, store.ca_file)
