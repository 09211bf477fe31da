"""What issuers are asked: their keys, for the workers, and whether a token is active. Verifies no token."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from authz_service.clock import Clock
from authz_service.config.model import Config
from authz_service.control_plane.part import Gauge, Part
from authz_service.control_plane.sources.http_clients import HttpClients
from authz_service.control_plane.sources.provider_requests import endpoints, key_settings
from authz_service.domain.questions import Absent, Active, Answer, Key
from authz_service.domain.rules import IssuerKeys
from authz_service.identity.key_set import read_key_set
from authz_service.trust.introspection import Introspector
from authz_service.trust.issuer_keys import KeySettings, KeySource, KeyState

_Wanted = tuple[KeySettings, Path | None]  # and the CA file of the issuer's server
_NO_KEY_FOR = 1.0  # seconds: the answer for all who wait for it; a key that comes meanwhile is used all the same


@dataclass(slots=True)
class Issuers(Part):
    """Follows the configuration: what did not change in it keeps its keys, and its questions in flight."""

    _clients: HttpClients
    _saved_keys: Path
    _publish: Callable[[IssuerKeys], None]
    _clock: Clock
    _results: Counter[str]  # of introspections, as `Counters.introspections`
    _sources: dict[_Wanted, KeySource] = field(default_factory=dict)
    _introspectors: dict[str, Introspector] = field(default_factory=dict)  # by issuer

    async def update(self, config: Config) -> None:
        """Returns before the first answers are there; never raises for their lack."""
        asked = config.proxy.enabled and config.proxy.auth.enabled
        wanted = self._wanted_sources(config) if asked else set()
        await self._stop_sources(self._sources.keys() - wanted)
        for settings, ca_file in wanted - self._sources.keys():
            get = self._clients.to(ca_file).get
            source = KeySource(settings, get, parse=read_key_set, publish=self._publish, clock=self._clock)
            self._sources[settings, ca_file] = source
            source.start()
        introspected = endpoints(config) if asked else {}
        same = {issuer for issuer, one in self._introspectors.items() if introspected.get(issuer) == one.endpoint}
        self._stop_introspectors(self._introspectors.keys() - same)
        for issuer in introspected.keys() - same:
            endpoint = introspected[issuer]
            post_form = self._clients.to(endpoint.ca_file).post_form
            self._introspectors[issuer] = Introspector(endpoint, post_form, self._results)

    async def find_key(self, question: Key) -> Answer:
        """When it returns, the issuer's newest keys were published, or there is nothing newer for now."""
        for (settings, _), source in self._sources.items():
            if settings.issuer == question.issuer:
                await source.refetch(question.kid)
        return Absent(holds=_NO_KEY_FOR)

    async def introspect(self, question: Active) -> Answer | None:
        introspector = self._introspectors.get(question.issuer)
        return None if introspector is None else await introspector.ask(question.token)

    def missing(self, *, starting: bool) -> Iterator[str]:  # noqa: ARG002 - without keys nobody is let in, ever
        for state in self._states():
            if not state.ready:
                yield f"no keys yet of {state.issuer}: {state.last_error or 'asking'}"

    def degraded(self) -> Iterator[str]:
        for state in self._states():
            if state.stale:
                yield f"keys of {state.issuer} are stale: {state.last_error}"
        for issuer, one in list(self._introspectors.items()):
            if one.last_error:
                yield f"introspection at {issuer} failed the last time: {one.last_error}"

    def gauges(self) -> Iterator[Gauge]:
        states = self._states()
        yield Gauge("authz_keys", "Usable keys of an issuer.", "issuer", {s.issuer: float(s.count) for s in states})
        ages = {state.issuer: state.age for state in states if state.age is not None}
        yield Gauge("authz_keys_age_seconds", "Since an issuer's keys were fetched.", "issuer", ages)

    async def stop(self) -> None:
        self._stop_introspectors(set(self._introspectors))
        await self._stop_sources(set(self._sources))

    def _states(self) -> list[KeyState]:
        return [source.state() for source in list(self._sources.values())]

    def _wanted_sources(self, config: Config) -> set[_Wanted]:
        return {
            (
                key_settings(issuer, self._saved_keys / f"{index}.json" if issuer.jwks_file is None else None),
                issuer.ca_file,
            )
            for index, issuer in enumerate(config.issuers)
        }

    def _stop_introspectors(self, unwanted: set[str]) -> None:
        for issuer in unwanted:
            self._introspectors.pop(issuer).stop()

    async def _stop_sources(self, unwanted: set[_Wanted]) -> None:
        for wanted in unwanted:
            await self._sources.pop(wanted).stop()
