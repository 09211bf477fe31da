"""Keeps an eye on the running Envoy: is it there, does it run what we wrote and nothing else, what did it count?

Versions do not tell whose configuration it is: who rewrites a file of Envoy's keeps its version.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from authz_service.control_plane.child_process import Child
from authz_service.control_plane.counters import Counters
from authz_service.control_plane.data_plane.admin import GONE, EnvoyState
from authz_service.control_plane.data_plane.counts import HANDSHAKE, LOOKUP, TARGET_401, Counts
from authz_service.control_plane.part import Gauge, Part
from authz_service.control_plane.reload.rollout import Rollout
from authz_service.control_plane.sources.certificates import EXPIRES, NEAR_END
from authz_service.envoy.messages import Json
from authz_service.envoy.resources import Resources
from authz_service.envoy.running import foreign
from authz_service.logs import about

log = logging.getLogger(__name__)

_AGAIN = 0.1  # seconds: what is just being taken over is there by then
_INTERVAL = 1.0  # seconds between two comparisons of the same versions


class _Seen(NamedTuple):
    """By one look. One value, for the admin server's threads read it meanwhile: half of two looks may seem ready."""

    state: EnvoyState
    foreign: list[str]  # what it runs that we did not write


class EnvoyWatch(Part):
    """One per sidecar."""

    def __init__(self, rollout: Rollout, child: Child, counters: Counters) -> None:
        self._rollout = rollout
        self._child = child
        self._counters = counters
        self._seen = _Seen(GONE, [])
        self._compared: Mapping[str, str] = {}  # these versions, until then
        self._next = 0.0
        self._put_right_last: list[str] = []
        self._failing: set[str] = set()  # whose updates failed at the last look
        self._counted: Counter[tuple[str, str]] = Counter()  # by Envoy, until then

    async def look(self) -> None:
        wanted = self._rollout.current.resources.agent_secrets
        state = await self._rollout.envoy.state(wanted) if self._child.pid else GONE
        self._seen = _Seen(state, await self._find_foreign(state))
        self._put_right()
        self._tell_failing_updates()
        await self._follow_counts(state.counts)

    def missing(self, *, starting: bool) -> Iterator[str]:
        (state, foreign), taken_over = self._seen, self._rollout.taken_over
        if taken_over.needs_envoy:
            yield from self._missing_in_envoy(state, taken_over.resources)
        for what in foreign:
            yield f"envoy runs what is not ours: {what}"
        for name in state.agent.missing(for_ingress=True):
            yield f"no certificate yet from tls.sds: {name}"
        if starting:  # later on, requests to one target get 503; the others and the ingress go on
            yield from self._missing_for_targets(state)

    @staticmethod
    def _missing_in_envoy(state: EnvoyState, wanted: Resources) -> Iterator[str]:
        if not state.live:
            yield "envoy is not live"
        for name in sorted({str(listener["name"]) for listener in wanted.listeners} - state.listeners):
            yield f"envoy does not listen: {name}"
        for name, version in wanted.versions().items():
            if state.versions.get(name) != version:
                yield f"envoy has not taken over {name}"

    def degraded(self) -> Iterator[str]:
        state = self._seen.state
        yield from self._missing_for_targets(state)
        if not state.agent.connected:
            yield "the agent at tls.sds is away: what it handed out serves until it ends"
        now = time.time()
        for name, end in state.agent.ends.items():
            if end <= now:
                yield f"certificate {name} has expired"
        yield from failing_updates(state.failing)

    def gauges(self) -> Iterator[Gauge]:
        agent = self._seen.state.agent
        yield Gauge(*EXPIRES, agent.ends)
        yield Gauge(*NEAR_END, agent.near_ends)

    @staticmethod
    def _missing_for_targets(state: EnvoyState) -> Iterator[str]:
        for name in state.agent.missing(for_ingress=False):
            yield f"no certificate yet from tls.sds: {name}"

    async def _find_foreign(self, state: EnvoyState) -> list[str]:
        """What Envoy runs that is not ours, in words. Twice the same, or it is only on its way."""
        if state is GONE or (state.versions == self._compared and time.monotonic() < self._next):
            return [] if state is GONE else self._seen.foreign
        envoy = self._rollout.envoy
        found = self._compare(state.versions, await envoy.running())
        if found:
            await asyncio.sleep(_AGAIN)
            again = await envoy.state()
            second = self._compare(again.versions, await envoy.running())
            found = [each for each in found if each in second]
        self._compared, self._next = state.versions, time.monotonic() + _INTERVAL
        return found

    def _compare(self, versions: Mapping[str, str], running: Mapping[str, Mapping[str, Json]]) -> list[str]:
        known = self._rollout.known_to_envoy(versions)
        secrets = running.get("secret", {})  # those of an agent (tls.sds) are its own business
        running = {**running, "secret": {name: secrets[name] for name in secrets.keys() & known["secret"]}}
        return [each for kind, those in running.items() for each in foreign(kind, those, known[kind])]

    def _put_right(self) -> None:
        """Envoy starts anew, with our files. Once: what comes back at once comes back again, and is left to people."""
        state, found = self._seen
        if found and found != self._put_right_last:
            self._counters.foreign += 1
            log.error("envoy_runs_foreign_configuration", extra=about(what=found))
            try:
                self._rollout.write_again()
            except OSError as error:
                log.error("envoy_files_not_written", extra=about(error=str(error)))  # noqa: TRY400 - expected
            self._child.restart()
        if found or state.live:
            self._put_right_last = found

    def _tell_failing_updates(self) -> None:
        """Once when it begins and once when it ends: a name that DNS does not answer, a file that Envoy refuses."""
        state = self._seen.state
        if not state.live:
            return
        before, self._failing = self._failing, set(state.failing)
        for source in self._failing - before:
            [text] = failing_updates({source: state.failing[source]})
            log.warning("update_failing", extra=about(source=source, problem=text))
        for source in before - self._failing:
            log.info("update_works_again", extra=about(source=source))

    async def _follow_counts(self, counts: Counts) -> None:
        """What Envoy counted since the last look. One line for all handshakes of a kind: a stranger who could write a
        line with each connection would fill the disk.
        """
        for (kind, of), count in counts.items():
            grown, self._counted[kind, of] = count - self._counted[kind, of], count
            if kind == LOOKUP:
                self._counters.lookups[of] += grown
            elif grown and kind == HANDSHAKE:
                self._counters.handshakes[of] += grown
                log.warning("handshakes_failed", extra=about(reason=of, count=grown))
            elif grown and kind == TARGET_401:
                await self._rollout.target_tokens.doubt(of)


def failing_updates(failing: Mapping[str, int]) -> list[str]:
    """In words: what Envoy asks DNS for; what it got from us or from the agent."""
    told = []
    for source, times in failing.items():
        kind, _, name = source.partition(".")
        if kind == "cluster":
            told.append(f"the name behind {name} is not resolved (DNS): requests to it get 503")
        else:
            told.append(f"envoy refused an update: {source}, {times} times in a row")
    return told
