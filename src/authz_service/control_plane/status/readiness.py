"""What the sidecar tells about itself: readiness with reasons, metrics, token states.

It asks the parts; nobody writes into it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal

import msgspec

from authz_service.audit.chain import Head
from authz_service.control_plane.counters import Counters
from authz_service.control_plane.part import Gauge, Part
from authz_service.control_plane.reload.rollout import Rollout
from authz_service.control_plane.status.admin_server import Page, Pages, json_page, text_page
from authz_service.control_plane.status.metrics import Metrics
from authz_service.domain.version import product_version


@dataclass(slots=True)
class Lifecycle:
    """How far the sidecar has come; `Sidecar` sets it."""

    phase: Literal["starting", "serving", "stopping"] = "starting"
    seconds_to_ready: float | None = None  # None: it was not ready yet


@dataclass(slots=True)
class Status:
    """Read by the admin server's threads."""

    _lifecycle: Lifecycle
    _rollout: Rollout
    _parts: Sequence[Part]
    _counters: Counters
    _audit_heads: Callable[[], list[Head]]
    _envoy_restarts: Callable[[], int]
    _version: str = field(default_factory=product_version)

    def missing(self) -> list[str]:
        """What keeps requests away; empty when ready."""
        if self._lifecycle.phase != "serving":
            return [self._lifecycle.phase]
        starting = self._lifecycle.seconds_to_ready is None
        return [text for part in self._parts for text in part.missing(starting=starting)]

    def degraded(self) -> list[str]:
        """What calls for a person although requests are served."""
        if self._lifecycle.phase == "starting":
            return []
        return [text for part in self._parts for text in part.degraded()]

    def readyz(self) -> Page:
        missing, serving = self.missing(), self._rollout.taken_over
        begun = self._lifecycle.phase != "starting"
        body = {
            "ready": not missing,
            "version": self._version,
            "service": serving.config.service.name if begun else "",
            "revision": serving.revision if begun else "",
            "missing": missing,
            "degraded": self.degraded(),
            "missing_walls": self._rollout.control_server.missing_walls(),
            "decision_cache": serving.cache.words,
            "candidate": self._rollout.candidate.state(),
            "seconds_to_ready": round(self._lifecycle.seconds_to_ready or 0.0, 3),
        }
        return json_page(body, HTTPStatus.SERVICE_UNAVAILABLE if missing else HTTPStatus.OK)

    def tokens(self) -> Page:
        """States only; no token ever gets here."""
        tokens, exchanges = self._rollout.target_tokens.states(), self._rollout.token_exchanges.states()
        return json_page({"tokens": [*map(_plain, tokens)], "exchanges": [*map(_plain, exchanges)]})

    def audit(self) -> Page:
        """Where each writer's chain of records ends: kept elsewhere, it shows that a file was cut."""
        return json_page({"heads": msgspec.to_builtins(self._audit_heads())})

    def metrics(self) -> Metrics:
        return Metrics(self._counters, self._gauges, self._more)

    def pages(self, loop: asyncio.AbstractEventLoop) -> Pages:
        """What the admin server shows, by path."""
        metrics, envoy = self.metrics(), self._rollout.envoy

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

    def _more(self) -> dict[str, float]:
        return {
            "authz_worker_restarts": self._rollout.control_server.restarts,
            "authz_envoy_foreign_configuration": self._counters.foreign,
            "authz_envoy_restarts": self._envoy_restarts(),
        }

    def _gauges(self) -> Iterator[Gauge]:
        yield Gauge("authz_build_info", "1; the label says which version runs.", "version", {self._version: 1.0})
        yield Gauge("authz_ready", "1 when requests may be sent.", "", {"": float(not self.missing())})
        yield Gauge("authz_degraded", "Number of troubles that /readyz lists.", "", {"": float(len(self.degraded()))})
        heads = {head.writer: float(head.seq) for head in self._audit_heads()}
        yield Gauge("authz_audit_sequence", "Number of the last audit record of each writer.", "writer", heads)
        for part in self._parts:
            yield from part.gauges()


def _plain(state: Any) -> dict[str, Any]:
    return {name: getattr(state, name) for name in state.__slots__}
