"""Asks Envoy's admin interface, which listens only on a private Unix socket. Not the sidecar's own admin surface."""

from __future__ import annotations

import asyncio
import json
import re
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpcore

from authz_service.control_plane.data_plane.agent_secrets import NO_AGENT, AgentSecrets, read_dump
from authz_service.control_plane.data_plane.counts import COUNTED, Counts, EnvoyCounts
from authz_service.control_plane.data_plane.updates import EnvoyUpdates
from authz_service.envoy.messages import Json
from authz_service.envoy.secrets import AgentSecret
from authz_service.envoy.tls import AGENT_CLUSTER


@dataclass(frozen=True, slots=True)
class EnvoyState:
    """What a running Envoy says about itself; `live` alone says nothing about listeners."""

    live: bool
    listeners: frozenset[str]
    versions: dict[str, str]  # file below the state directory -> the version of it that Envoy accepted last
    failing: dict[str, int]  # source of updates -> how often it failed in a row (envoy_updates)
    agent: AgentSecrets = NO_AGENT
    counts: Counts = field(default_factory=dict)


GONE = EnvoyState(live=False, listeners=frozenset(), versions={}, failing={})


_GONE_ERRORS = (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, OSError)
_TIMEOUTS = {"connect": 2.0, "read": 2.0, "write": 2.0, "pool": 2.0}  # seconds
_AGENT_LINE = f"cluster.{AGENT_CLUSTER}.upstream_cx_active"
_UPDATES = "(version_text|update_(rejected|failure|success))$"
_STATS = f"/stats?format=text&filter={_UPDATES}|^{_AGENT_LINE}$|{COUNTED}".replace("+", "%2B")
_SECRETS = "/config_dump?resource=dynamic_active_secrets"
# Kind of resource -> what of the configuration dump shows it, and where in an entry of it the resource is.
_RUNNING = {
    "listener": ("dynamic_listeners", ("active_state", "listener")),
    "route configuration": ("dynamic_route_configs", ("route_config",)),
    "cluster": ("dynamic_active_clusters", ("cluster",)),
    "secret": ("dynamic_active_secrets", ("secret",)),
}
_ACTIVE = "/stats?filter=^http\\.(ingress|egress)\\.downstream_rq_active$"


class EnvoyAdmin:
    """One client on the socket at `path`."""

    def __init__(self, path: Path) -> None:
        self._updates = EnvoyUpdates()
        self._counts = EnvoyCounts()
        self._pool = httpcore.AsyncConnectionPool(uds=str(path), max_connections=4)

    async def close(self) -> None:
        await self._pool.aclose()

    async def state(self, wanted: frozenset[AgentSecret] = frozenset()) -> EnvoyState:
        """The present state, with the wanted secrets of the agent; GONE when Envoy does not answer."""
        try:
            ready = await self._ask("GET", "/ready")
            listeners = await self._ask("GET", "/listeners?format=json")
            stats = await self._ask("GET", _STATS)
            secrets = await self._ask("GET", _SECRETS) if wanted else None
        except _GONE_ERRORS:
            return GONE
        versions: dict[str, str] = {}
        counters: dict[str, int] = {}
        tries = {f"sds.{re.sub(':/{0,2}', '_', one.name)}.update_failure" for one in wanted}  # how often it was away
        connected = False
        for line in stats.content.decode().splitlines():
            name, _, value = line.partition(": ")
            if name.endswith(".version_text"):
                versions[_file_of(name)] = value.strip('"')
            elif name == _AGENT_LINE:
                connected = value != "0"
            elif name not in tries:
                counters[name] = int(value)
        statuses = json.loads(listeners.content).get("listener_statuses", [])
        names = frozenset(str(entry["name"]) for entry in statuses)
        agent = read_dump(secrets.content, wanted, connected=connected) if secrets is not None else NO_AGENT
        failing = self._updates.failing(counters)
        return EnvoyState(ready.status == 200, names, versions, failing, agent, self._counts.totals(counters))

    async def running(self) -> dict[str, dict[str, Json]]:
        """What Envoy runs: by kind, then by name, as it shows it. Nothing while it is not there."""
        try:
            return {kind: _named(await self._ask("GET", f"/config_dump?resource={what}"), where)
                    for kind, (what, where) in _RUNNING.items()}  # fmt: skip
        except _GONE_ERRORS:
            return {}

    async def taken_over(self, file: str, version: str, patience: float) -> bool:
        """Wait until Envoy shows `version` for `file`, at most `patience` seconds; readiness tells if it never does."""
        end = time.monotonic() + patience
        while (await self.state()).versions.get(file) != version:
            if time.monotonic() >= end:
                return False
            await asyncio.sleep(0.005)
        return True

    async def prometheus(self) -> str:
        """Envoy's own metrics that were used at least once, in Prometheus' text format; none while it is not there."""
        try:
            answer = await self._ask("GET", "/stats/prometheus?usedonly")
        except _GONE_ERRORS:
            return ""
        return answer.content.decode()

    async def drain_and_quit(self, longest: float) -> None:
        """Let every request in flight finish, for at most `longest` seconds, then end Envoy.

        First every answer says `connection: close`, then nothing new is accepted, then Envoy goes.
        """
        end = time.monotonic() + longest
        try:
            await self._ask("POST", "/healthcheck/fail")
            await self._ask("POST", "/drain_listeners?graceful&skip_exit")
            await asyncio.sleep(min(2.0, longest / 2))
            await self._ask("POST", "/drain_listeners")
            while time.monotonic() < end and await self._active_requests() > 0:
                await asyncio.sleep(0.05)
            await self._ask("POST", "/quitquitquit")
        except _GONE_ERRORS:
            return  # it is gone already

    async def _active_requests(self) -> int:
        answer = await self._ask("GET", _ACTIVE)
        return sum(int(line.rsplit(" ", 1)[1]) for line in answer.content.decode().splitlines() if " " in line)

    async def _ask(self, method: str, target: str) -> httpcore.Response:
        url = httpcore.URL(scheme="http", host="envoy", port=None, target=target)
        headers = [("Host", "envoy"), ("Content-Length", "0")]
        return await self._pool.request(method, url, headers=headers, extensions={"timeout": _TIMEOUTS})


def _named(dump: httpcore.Response, where: tuple[str, ...]) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for entry in json.loads(dump.content).get("configs", []):
        resource = entry
        for step in where:
            resource = resource.get(step, {})
        if resource:  # a listener that only drains, or waits for a secret, accepts nobody
            found[resource["name"]] = resource
    return found


def _file_of(stat: str) -> str:
    """`listener_manager.lds.version_text` -> "xds/lds.json"; `http.ingress.rds.ingress.version_text` ->
    "xds/rds_ingress.json"; `sds.client_ca.version_text` -> "sds/client_ca.json".
    """
    if stat.startswith("sds."):
        return f"sds/{stat.removeprefix('sds.').removesuffix('.version_text')}.json"
    if stat.startswith("listener_manager.lds."):
        return "xds/lds.json"
    if stat.startswith("cluster_manager.cds."):
        return "xds/cds.json"
    return f"xds/rds_{stat.removesuffix('.version_text').rpartition('.rds.')[2]}.json"
