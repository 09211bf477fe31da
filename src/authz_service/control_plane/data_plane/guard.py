"""Looks whether Envoy runs what we wrote, and nothing else. Not the comparison (`envoy.running`), nor the remedy.

Versions do not tell: who rewrites a file of Envoy's keeps its version.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from authz_service.control_plane.data_plane.admin import GONE, EnvoyAdmin, EnvoyState
from authz_service.control_plane.reload.rollout import Rollout
from authz_service.envoy.messages import Json
from authz_service.envoy.running import foreign

_AGAIN = 0.1  # seconds: what is just being taken over is there by then
_INTERVAL = 1.0  # seconds between two comparisons of the same versions


class EnvoyGuard:
    """One per sidecar."""

    def __init__(self, rollout: Rollout) -> None:
        self._rollout = rollout
        self._envoy: EnvoyAdmin = rollout.envoy
        self._looked_at: Mapping[str, str] = {}
        self._next = 0.0
        self._found: list[str] = []

    async def look(self, state: EnvoyState) -> list[str]:
        """What Envoy runs that is not ours, in words. Twice the same, or it is only on its way."""
        if state is GONE or (state.versions == self._looked_at and time.monotonic() < self._next):
            return [] if state is GONE else self._found
        found = self._foreign(state.versions, await self._envoy.running())
        if found:
            await asyncio.sleep(_AGAIN)
            again = await self._envoy.state()
            second = self._foreign(again.versions, await self._envoy.running())
            found = [each for each in found if each in second]
        self._looked_at, self._next, self._found = state.versions, time.monotonic() + _INTERVAL, found
        return found

    def _foreign(self, versions: Mapping[str, str], running: Mapping[str, Mapping[str, Json]]) -> list[str]:
        known = self._rollout.known_to_envoy(versions)
        secrets = running.get("secret", {})  # those of an agent (tls.sds) are its own business
        running = {**running, "secret": {name: secrets[name] for name in secrets.keys() & known["secret"]}}
        return [each for kind, those in running.items() for each in foreign(kind, those, known[kind])]
