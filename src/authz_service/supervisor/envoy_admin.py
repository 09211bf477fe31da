"""Asks Envoy's admin interface, which listens only on a private Unix socket. Not the sidecar's own admin surface."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

import httpx


@dataclass(frozen=True, slots=True)
class EnvoyState:
    """What a running Envoy says about itself; `live` alone says nothing about listeners."""

    live: bool
    listeners: frozenset[str]
    versions: dict[str, str]  # file below the state directory -> the version of it that Envoy accepted last
    rejected: dict[str, int]  # stat name -> count of `update_rejected` and `update_failure`


GONE = EnvoyState(live=False, listeners=frozenset(), versions={}, rejected={})


class EnvoyAdmin:
    """One client on the socket at `path`. Every method raises httpx.HTTPError while Envoy is not there."""

    def __init__(self, path: Path) -> None:
        self._client = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=str(path)), base_url="http://envoy", timeout=2.0, trust_env=False
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def state(self) -> EnvoyState:
        """The present state; GONE when Envoy does not answer."""
        try:
            ready = await self._client.get("/ready")
            listeners = await self._client.get("/listeners", params={"format": "json"})
            stats = await self._client.get(
                "/stats", params={"filter": r"(version_text|update_rejected|update_failure)$", "format": "text"}
            )
        except httpx.HTTPError:
            return GONE
        versions: dict[str, str] = {}
        rejected: dict[str, int] = {}
        for line in stats.text.splitlines():
            name, _, value = line.partition(": ")
            if name.endswith(".version_text"):
                versions[_file_of(name)] = value.strip('"')
            elif value != "0":
                rejected[name] = int(value)
        names = frozenset(str(entry["name"]) for entry in listeners.json().get("listener_statuses", []))
        return EnvoyState(ready.status_code == httpx.codes.OK, names, versions, rejected)

    async def taken_over(self, file: str, version: str, patience: float) -> None:
        """Wait until Envoy shows `version` for `file`, at most `patience` seconds; readiness tells if it never does."""
        end = time.monotonic() + patience
        while (await self.state()).versions.get(file) != version and time.monotonic() < end:
            await asyncio.sleep(0.005)

    async def prometheus(self) -> str:
        """Envoy's own metrics that were used at least once, in Prometheus' text format."""
        answer = await self._client.get("/stats/prometheus", params={"usedonly": ""})
        return answer.text

    async def active_requests(self) -> int:
        answer = await self._client.get("/stats", params={"filter": r"^http\.(ingress|egress)\.downstream_rq_active$"})
        return sum(int(line.rsplit(" ", 1)[1]) for line in answer.text.splitlines() if " " in line)

    async def drain_and_quit(self, longest: float) -> None:
        """Let every request in flight finish, for at most `longest` seconds, then end Envoy.

        First every answer says `connection: close`, then nothing new is accepted, then Envoy goes.
        """
        end = time.monotonic() + longest
        try:
            await self._client.post("/healthcheck/fail")
            await self._client.post("/drain_listeners", params={"graceful": "", "skip_exit": ""})
            await asyncio.sleep(min(2.0, longest / 2))
            await self._client.post("/drain_listeners")
            while time.monotonic() < end and await self.active_requests() > 0:
                await asyncio.sleep(0.05)
            await self._client.post("/quitquitquit")
        except httpx.HTTPError:
            return  # it is gone already


def _file_of(stat: str) -> str:
    """`listener_manager.lds.version_text` -> "xds/lds.json"; `http.ingress.rds.ingress.version_text` ->
    "xds/rds_ingress.json".
    """
    if stat.startswith("listener_manager.lds."):
        return "xds/lds.json"
    if stat.startswith("cluster_manager.cds."):
        return "xds/cds.json"
    return f"xds/rds_{stat.removesuffix('.version_text').rpartition('.rds.')[2]}.json"
