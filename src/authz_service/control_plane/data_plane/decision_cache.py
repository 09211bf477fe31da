"""Looks after Envoy's decision cache: tells it when all that it knows has ended, counts what it repeated, mends it.

Not its answers, and not the permits by which it gives them (ext_authz.permit). Without such a filter nobody touches the
files, and nothing happens.
"""

from __future__ import annotations

import asyncio
import logging
import os
import stat
from collections.abc import Callable, Iterator

from authz_service.audit.chain import Chain, prepare
from authz_service.audit.destinations import Destination, OwnDestinations
from authz_service.audit.sink import AuditSink
from authz_service.audit.writer import AuditWriter
from authz_service.control_plane.data_plane.cache_board import MAX_THREADS, CacheBoard, Told
from authz_service.control_plane.part import Gauge, Part
from authz_service.control_protocol import CountersDelta
from authz_service.domain.refusals import Reason
from authz_service.domain.rules import GateRules
from authz_service.envoy.paths import StatePaths
from authz_service.errors import AuditUnavailable
from authz_service.logs import about

log = logging.getLogger(__name__)

_LOOK = 1.0  # seconds
_ALLOWED = f"allow|{Reason.ALLOWED}"


class CacheKeeper(Part):
    """Runs on the control plane's event loop."""

    def __init__(self, paths: StatePaths, count: Callable[[CountersDelta], None], now: Callable[[], float]) -> None:
        self._paths = paths
        self._count = count
        self._epoch = int(now() * 1_000_000)  # a number that no earlier life has come to
        self._board: CacheBoard | None = None
        self._last: list[Told] = []
        self._entries = 0
        self._unmended: dict[int, str] = {}  # why, by thread

    def begin(self, secret: bytes) -> None:
        """Make what the filter looks for, before Envoy starts. What an earlier life counted is not counted again.

        Raises OSError.
        """
        prepare(self._paths.envoy_chain, secret)
        self._board = board = CacheBoard(self._paths.decision_cache)
        self._epoch = max(self._epoch, board.epoch)  # the clock may have been set back
        board.show(0)
        self._last = [board.told(thread) for thread in range(MAX_THREADS)]

    def raise_epoch(self) -> int:
        """From now on nothing is repeated that was permitted before. The new one, for the permits to come."""
        self._epoch += 1
        if self._board is not None:
            self._board.show(self._epoch)
        return self._epoch

    async def follow(self, rules: Callable[[], GateRules], envoy: Callable[[], int | None]) -> None:
        """For ever. `rules`: the present ones; `envoy`: its pid."""
        while True:
            await asyncio.sleep(_LOOK)
            self.look(rules(), envoy())

    def look(self, rules: GateRules, envoy: int | None) -> None:
        """Count what was repeated since the last look, and mend what is broken."""
        if self._board is None:
            return
        told = [self._board.told(thread) for thread in range(MAX_THREADS)]
        for before, now in zip(self._last, told, strict=True):
            if now[:3] != before[:3]:
                self._count(_grown(before, now))
        not_written = sum(each.not_written for each in told) - sum(each.not_written for each in self._last)
        if not_written > 0:  # a worker was asked in its place, and counts its own failures
            log.warning("decision_cache_cannot_record", extra=about(records=not_written))
        self._last = told
        self._entries = sum(each.entries for each in told if each.pid == envoy)
        broken = [thread for thread, each in enumerate(told) if each.broken]
        self._unmended = {thread: why for thread in broken if (why := self._mended(self._board, thread, rules))}

    def degraded(self) -> Iterator[str]:
        for thread, why in self._unmended.items():
            yield f"Envoy's decision cache repeats nothing in thread {thread}: {why}"

    def gauges(self) -> Iterator[Gauge]:
        values = {"": float(self._entries)}
        yield Gauge("authz_decision_cache_entries", "Allows that Envoy may repeat by itself.", "", values)

    def _mended(self, board: CacheBoard, thread: int, rules: GateRules) -> str:
        """Why it is not; "": it is. It has let its chain go, and takes it again when the board says so."""
        try:
            _record_gap(str(self._paths.envoy_chain), thread, rules)
        except (AuditUnavailable, ValueError) as error:  # what Envoy wrote there may be anything
            why = str(error) or type(error).__name__
            if thread not in self._unmended:
                log.error("decision_cache_broken", extra=about(slot=thread, error=why))  # noqa: TRY400 - expected, no traceback
            return why
        board.mended(thread)
        log.warning("decision_cache_mended", extra=about(slot=thread))
        return ""


def _grown(before: Told, now: Told) -> CountersDelta:
    repeated = max(0, now.repeated - before.repeated)
    return CountersDelta(
        decisions={_ALLOWED: repeated},
        buckets=[max(0, new - old) for old, new in zip(before.buckets, now.buckets, strict=True)],
        duration_us=max(0, now.duration_us - before.duration_us),
        audit_failures=0,
        memory={"repeated": repeated},
    )


def _record_gap(path: str, thread: int, rules: GateRules) -> None:
    """End the line that was begun, and say in its chain what may be missing. Raises AuditUnavailable."""
    chain = Chain(path, thread)
    try:
        sink = AuditSink(rules.audit_path, _WithEndedLine())
        try:
            writer = AuditWriter(chain, sink)
            writer.speak_for(rules.service, rules.zone)
        finally:
            sink.close()
        if chain.broken:
            raise AuditUnavailable(writer.error)
    finally:
        chain.close()


class _WithEndedLine(OwnDestinations):
    """Somebody else has written the line in part."""

    def open(self, path: str) -> Destination:
        descriptor, torn = super().open(path)
        if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            return Destination(descriptor, torn=True)  # nobody can tell, and an empty line is none
        return Destination(descriptor, torn and not self.mend(path, descriptor))
