"""What the sidecar tells about itself: readiness with reasons, metrics, token states.

Gathers and words; changes nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import msgspec

from authz_service.audit.chain import Head
from authz_service.control_plane.child_process import Child
from authz_service.control_plane.data_plane.admin import GONE, EnvoyAdmin, EnvoyState
from authz_service.control_plane.preflight.descriptors import shortage
from authz_service.control_plane.snapshot import Snapshot
from authz_service.control_plane.sources.certificates import ServedCertificates
from authz_service.control_plane.sources.denylist import ServedDenylist
from authz_service.control_plane.sources.outbound import Outbound
from authz_service.control_plane.status.admin_server import Page, Pages, json_page, text_page
from authz_service.control_plane.status.metrics import Counters, Gauge, Metrics
from authz_service.control_plane.workers.control_server import ControlServer
from authz_service.domain.version import product_version


@dataclass(slots=True)
class Status:
    """Filled by the control plane, read by the admin server's threads: values are replaced whole, never changed in
    place.
    """

    counters: Counters
    certificates: ServedCertificates
    denylist: ServedDenylist
    outbound: Outbound
    control_server: ControlServer
    children: list[Child]
    descriptors: int  # that each of our processes may have open
    envoy: EnvoyState = GONE
    foreign: list[str] = field(default_factory=list)  # what Envoy runs that we did not write
    snapshot: Snapshot | None = None
    reload_problem: str = ""
    certificate_problem: str = ""
    door_missing: list[str] = field(default_factory=list)  # of the door to other people's proxies
    policy_missing: str = ""  # what keeps requests away: no policies at all, or nobody to ask
    policy_problem: str = ""
    socket_problem: str = ""
    stopping: bool = False
    were_ready: bool = False
    audit_heads: Callable[[], list[Head]] = list
    copies_problem: Callable[[], str] = str  # of the log in OPA's format
    candidate: Callable[[], dict[str, object] | None] = lambda: None  # how the candidate policy is doing
    started: float = field(default_factory=time.monotonic)
    seconds_to_ready: float = 0.0
    version: str = field(default_factory=product_version)

    def missing(self) -> list[str]:
        """What keeps requests away; empty when ready."""
        if self.stopping:
            return ["stopping"]
        snapshot = self.snapshot
        if snapshot is None:
            return ["starting"]
        missing = []
        missing += self.door_missing
        if snapshot.needs_envoy:
            missing += self._missing_in_envoy(snapshot)
        missing += [f"envoy runs what is not ours: {what}" for what in self.foreign]
        missing += [f"no certificate yet from tls.sds: {name}" for name in self.envoy.agent.missing(for_ingress=True)]
        if snapshot.config.runtime.walls == "required":
            missing += [
                f"walls are required (runtime.walls), and workers have {w}" for w in self.control_server.missing_walls()
            ]
        if snapshot.ingress and not self._has_workers(snapshot.revision):
            missing.append("no decision worker has the present rules")
        missing += [
            f"no keys yet of {state.issuer}: {state.last_error or 'asking'}"
            for state in self.outbound.key_states()
            if not state.ready
        ]
        if self.policy_missing:
            missing.append(self.policy_missing)
        if not self.were_ready:  # later on, requests to one target get 503; the others and the ingress go on
            missing += self._missing_for_targets()
            missing += [
                f"no token yet for {', '.join(s.targets)}: {s.last_error or 'asking'}"
                for s in self.outbound.token_states()
                if s.state == "missing"
            ]
        return missing

    def _missing_in_envoy(self, snapshot: Snapshot) -> list[str]:
        missing = [] if self.envoy.live else ["envoy is not live"]
        absent = sorted({str(listener["name"]) for listener in snapshot.resources.listeners} - self.envoy.listeners)
        missing += [f"envoy does not listen: {name}" for name in absent]
        missing += [
            f"envoy has not taken over {name}"
            for name, version in snapshot.resources.versions().items()
            if self.envoy.versions.get(name) != version
        ]
        return missing

    def _has_workers(self, revision: str) -> bool:
        """One that decides by these rules; at first all of them, for whoever is asked first may still compile them."""
        active = self.control_server.active(revision)
        return active > 0 if self.were_ready else 0 < active == len(self.control_server.pids())

    def degraded(self) -> list[str]:
        """What calls for a person although requests are served."""
        troubles = []
        if self.reload_problem:
            troubles.append(f"the changed files were refused, the last good ones serve: {self.reload_problem}")
        if self.policy_problem:
            troubles.append(self.policy_problem)
        if self.certificate_problem:
            troubles.append(f"certificates could not be written: {self.certificate_problem}")
        if self.socket_problem:
            troubles.append(f"the egress could not be handed over: {self.socket_problem}")
        troubles += [f"certificate {name}: {text}" for name, text in self.certificates.problems.items()]
        if self.denylist.problem:
            troubles.append(f"the changed denylist was refused, the last good one acts: {self.denylist.problem}")
        troubles += [warning for warnings in self.certificates.warnings.values() for warning in warnings]
        troubles += self._missing_for_targets()
        if not self.envoy.agent.connected:
            troubles.append("the agent at tls.sds is away: what it handed out serves until it ends")
        now = self.certificates.now()
        troubles += [f"certificate {name} has expired" for name, end in self._ends().items() if end <= now]
        troubles += [f"keys of {s.issuer} are stale: {s.last_error}" for s in self.outbound.key_states() if s.stale]
        troubles += [
            f"introspection at {issuer} failed the last time: {error}"
            for issuer, error in self.outbound.introspection_errors().items()
        ]
        troubles += [
            f"token for {', '.join(s.targets)} is {s.state}: {s.last_error}"
            for s in self.outbound.token_states()
            if s.state != "fresh"
        ]
        troubles += [
            f"token exchange for {', '.join(s.targets)} failed the last time: {s.last_error}"
            for s in self.outbound.exchange_states()
            if s.last_error
        ]
        if self.outbound.token_store_problem():
            troubles.append(f"tokens are not shared: {self.outbound.token_store_problem()} of the token store")
        troubles += self._troubles_with_copies()
        troubles += [f"a worker could not use the rules: {error}" for error in self.control_server.errors()]
        troubles += failing_updates(self.envoy.failing)
        if snapshot := self.snapshot:
            troubles += filter(None, [shortage(self.descriptors, snapshot.config)])
        return troubles

    def _troubles_with_copies(self) -> list[str]:
        troubles = []
        if copies_problem := self.copies_problem():
            troubles.append(f"the OPA decision log is not delivered: {copies_problem}")
        if (candidate := self.candidate()) and candidate["problem"]:
            troubles.append(f"the candidate policy decides nothing: {candidate['problem']}")
        return troubles

    def _missing_for_targets(self) -> list[str]:
        return [f"no certificate yet from tls.sds: {name}" for name in self.envoy.agent.missing(for_ingress=False)]

    def _ends(self) -> dict[str, float]:
        """When each certificate that is served ends, from a file or from the agent."""
        return {**self.certificates.expires, **self.envoy.agent.ends}

    def readyz(self) -> Page:
        missing = self.missing()
        snapshot = self.snapshot
        body = {
            "ready": not missing,
            "version": self.version,
            "service": snapshot.config.service.name if snapshot else "",
            "revision": snapshot.revision if snapshot else "",
            "missing": missing,
            "degraded": self.degraded() if snapshot else [],
            "missing_walls": self.control_server.missing_walls(),
            "candidate": self.candidate(),
            "seconds_to_ready": round(self.seconds_to_ready, 3),
        }
        return json_page(body, HTTPStatus.SERVICE_UNAVAILABLE if missing else HTTPStatus.OK)

    def tokens(self) -> Page:
        """States only; no token ever gets here."""
        tokens, exchanges = self.outbound.token_states(), self.outbound.exchange_states()
        return json_page({"tokens": [*map(_plain, tokens)], "exchanges": [*map(_plain, exchanges)]})

    def audit(self) -> Page:
        """Where each writer's chain of records ends: kept elsewhere, it shows that a file was cut."""
        return json_page({"heads": msgspec.to_builtins(self.audit_heads())})

    def pages(self, envoy: EnvoyAdmin, loop: asyncio.AbstractEventLoop) -> Pages:
        """What the admin server shows, by path."""
        metrics = Metrics(self.counters, self._gauges, self._counters)

        def metrics_page() -> Page:
            own = metrics.text()
            return text_page(own + asyncio.run_coroutine_threadsafe(envoy.prometheus(), loop).result(5))

        return {
            "/livez": lambda: json_page({"live": True}),
            "/readyz": self.readyz,
            "/metrics": metrics_page,
            "/tokens": self.tokens,
            "/audit": self.audit,
        }

    def network_pages(self, pages: Pages) -> Pages:
        """What other hosts may ask: `/readyz` without names of files, targets and issuers, `/tokens` not at all."""

        def readyz() -> Page:
            page = self.readyz()
            return json_page({"ready": page.status is HTTPStatus.OK}, page.status)

        return {"/livez": pages["/livez"], "/readyz": readyz, "/metrics": pages["/metrics"]}

    def _counters(self) -> dict[str, float]:
        return {
            "authz_worker_restarts": self.control_server.restarts,
            "authz_envoy_foreign_configuration": self.counters.foreign,
            "authz_envoy_restarts": sum(child.restarts for child in self.children if child.name == "envoy"),
        }

    def _gauges(self) -> list[Gauge]:
        keys, tokens = self.outbound.key_states(), self.outbound.token_states()
        now = self.certificates.now()
        expires = {target: s.expires_at or 0.0 for s in tokens for target in s.targets}
        ages = {target: max(0.0, now - s.obtained_at) for s in tokens if s.obtained_at for target in s.targets}
        return [
            Gauge("authz_build_info", "1; the label says which version runs.", "version", {self.version: 1.0}),
            Gauge("authz_ready", "1 when requests may be sent.", "", {"": float(not self.missing())}),
            Gauge("authz_degraded", "Number of troubles that /readyz lists.", "", {"": float(len(self.degraded()))}),
            Gauge(
                "authz_certificate_expiry_timestamp_seconds",
                "When a served certificate or CA ends.",
                "name",
                self._ends(),
            ),
            Gauge(
                "authz_certificate_renewal_timestamp_seconds",
                "From when on a served certificate or CA should have been renewed.",
                "name",
                {**self.certificates.near_ends, **self.envoy.agent.near_ends},
            ),
            Gauge(
                "authz_denylist_entries", "Entries of the denylist in force.", "", {"": float(self.denylist.entries)}
            ),
            Gauge("authz_keys", "Usable keys of an issuer.", "issuer", {s.issuer: float(s.count) for s in keys}),
            Gauge(
                "authz_keys_age_seconds",
                "Since an issuer's keys were fetched.",
                "issuer",
                {s.issuer: s.age for s in keys if s.age is not None},
            ),
            Gauge("authz_token_age_seconds", "Since a target's token was fetched.", "target", ages),
            Gauge(
                "authz_token_expiry_timestamp_seconds", "When a target's token ends; 0 without one.", "target", expires
            ),
            Gauge(
                "authz_audit_sequence",
                "Number of the last audit record of each writer.",
                "writer",
                {head.writer: float(head.seq) for head in self.audit_heads()},
            ),
            Gauge("authz_workers", "Decision workers with the present rules.", "", {"": float(self._active_workers())}),
        ]

    def _active_workers(self) -> int:
        return self.control_server.active(self.snapshot.revision) if self.snapshot else 0


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


def _plain(state: Any) -> dict[str, Any]:
    return {name: getattr(state, name) for name in state.__slots__}
