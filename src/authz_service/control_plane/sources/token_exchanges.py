"""Exchanges of users' tokens for a target's (RFC 8693), as the configuration wants them. Remembers no token."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from authz_service.config.model import Config
from authz_service.control_plane.part import Part
from authz_service.control_plane.sources.http_clients import HttpClients
from authz_service.control_plane.sources.provider_requests import exchange_requests
from authz_service.credentials.token_exchange import RESULTS, Exchanger
from authz_service.domain.questions import Answer, Exchange


@dataclass(frozen=True, slots=True)
class ExchangeState:
    """What an operator may see of a target for which users' tokens are exchanged."""

    targets: tuple[str, ...]
    token_url: str
    client_id: str
    audience: str
    scopes: tuple[str, ...]
    last_error: str


class TokenExchanges(Part):
    def __init__(self, clients: HttpClients, results: Counter[tuple[str, str]]) -> None:
        """`results` counts them, as `Counters.exchanges`."""
        self._clients = clients
        self._results = results
        self._exchangers: dict[str, Exchanger] = {}  # by ExchangeRules.key

    def add(self, config: Config) -> None:
        """For the targets of this configuration too, until `update` leaves those of one configuration."""
        for key, (target, request) in exchange_requests(config).items():
            post_form = self._clients.to(request.ca_file, request.client_pair, exchanges=True).post_form
            for result in RESULTS:
                self._results[target, result] += 0
            known = self._exchangers.setdefault(key, Exchanger(target, request, post_form, time.time, self._results))
            known.request, known.post_form = request, post_form  # a new secret; what is in flight goes on

    def update(self, config: Config) -> None:
        self.add(config)
        self._stop(self._exchangers.keys() - exchange_requests(config).keys())

    async def exchange(self, question: Exchange) -> Answer | None:
        exchanger = self._exchangers.get(question.target)
        return None if exchanger is None else await exchanger.exchange(question)

    def states(self) -> list[ExchangeState]:
        return [
            ExchangeState(
                (one.target,), one.request.shown_url, one.request.client_id, one.request.audience,
                one.request.scopes, one.last_error,
            )
            for one in list(self._exchangers.values())
        ]  # fmt: skip

    def degraded(self) -> Iterator[str]:
        for one in list(self._exchangers.values()):
            if one.last_error:
                yield f"token exchange for {one.target} failed the last time: {one.last_error}"

    def stop(self) -> None:
        self._stop(set(self._exchangers))

    def _stop(self, unwanted: set[str]) -> None:
        for key in unwanted:
            self._exchangers.pop(key).stop()
