"""Delivers copies of decisions in OPA's format, to a file or a service. Best effort, in bounded memory.

The audit records are written elsewhere, before the answer (`audit.writer`); what is lost here is lost to readers of
this format only. At least once: a service that took a batch without saying so gets it again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import msgspec

from authz_service.audit.opa_event import opa_event
from authz_service.clock import Clock
from authz_service.config.model import Config, OpaDecisionLog
from authz_service.control_plane.decision_log.destinations import Chunk, Destination, EventsRefused, destination_of
from authz_service.control_plane.part import Part
from authz_service.control_protocol import Copies, Copy
from authz_service.errors import AuthzServiceError
from authz_service.logs import about
from authz_service.refresh_schedule import RefreshSchedule, stop_tasks

log = logging.getLogger(__name__)

MAX_BYTES = 16 << 20  # that wait; then the oldest go
_BATCH = 256  # copies that are made into events at once
_PAUSE = 1.0  # seconds between looks at what has come
_FIRST_RETRY, _LONGEST_RETRY = 1.0, 60.0  # seconds
_LAST_TRY = 2.0  # seconds, when the sidecar stops


@dataclass(slots=True)
class DecisionLog(Part):
    """Follows the configuration; runs on the control plane's event loop."""

    clock: Clock
    counts: Counter[str]  # "delivered" | "lost", as Counters.copies
    instance: dict[str, str]  # labels of this process
    problem: str = ""
    _waiting: deque[Copy] = field(default_factory=deque)
    _bytes: int = 0
    _chunks: deque[Chunk] = field(default_factory=deque)  # made for the present destination
    _wanted: tuple[OpaDecisionLog | None, dict[str, str]] = (None, {})
    _destination: Destination | None = None
    _task: asyncio.Task[None] | None = None
    _losing: bool = False

    def take(self, copies: Copies) -> None:
        """From a worker."""
        if self._destination is None:
            return
        self._lose(copies.lost, "a worker could not hand them over")
        for copy in copies.copies:
            self._waiting.append(copy)
            self._bytes += _size(copy)
        dropped = 0
        while self._bytes > MAX_BYTES:
            self._bytes -= _size(self._waiting.popleft())
            dropped += 1
        if dropped:
            self._lose(dropped, self.problem or "they come faster than they can be delivered")

    async def update(self, config: Config) -> None:
        """Deliver by this configuration from now on; returns at once."""
        wanted = (config.audit.opa_decision_log, dict(config.hosts))
        if wanted == self._wanted:
            return
        await self._end_task()
        self._wanted = wanted
        self._lose(sum(chunk.events for chunk in self._chunks), "the destination changed")
        self._chunks.clear()
        if wanted[0] is None:
            self._lose(len(self._waiting), "switched off")
            self._waiting.clear()
            self._bytes = 0
        if self._destination is not None:
            await self._destination.aclose()
        self._destination = None if wanted[0] is None else destination_of(wanted[0], wanted[1])
        if self._destination is not None:
            self._task = asyncio.create_task(self._run(self._destination))

    def degraded(self) -> Iterator[str]:
        if self.problem:
            yield f"the OPA decision log is not delivered: {self.problem}"

    async def stop(self) -> None:
        """One last try; what is left then is lost."""
        await self._end_task()
        if self._destination is not None:
            try:
                async with asyncio.timeout(_LAST_TRY):
                    await self._deliver_all(self._destination)
            except (AuthzServiceError, OSError) as error:  # TimeoutError is one
                left = sum(chunk.events for chunk in self._chunks) + len(self._waiting)
                self._lose(left, str(error) or "no time left")
            await self._destination.aclose()
            self._destination = None

    async def _end_task(self) -> None:
        task, self._task = self._task, None
        self.problem = ""
        await stop_tasks(task)

    async def _run(self, destination: Destination) -> None:
        schedule = RefreshSchedule(self.clock, first_retry=_FIRST_RETRY)
        while True:
            try:
                await self._deliver_all(destination)
                self.problem = ""
                schedule.succeeded(_PAUSE, scatter=False)
            except (AuthzServiceError, OSError) as error:
                self._failed(error)
                schedule.failed(self.problem, longest=_LONGEST_RETRY, retry_after=getattr(error, "retry_after", None))
            await schedule.due()

    async def _deliver_all(self, destination: Destination) -> None:
        """Until nothing is left. Raises what kept the next chunk from being delivered; it stays the next one."""
        while self._chunks or self._waiting:
            if not self._chunks:
                await self._pack_some(destination)
                continue
            chunk = self._chunks[0]
            try:
                await destination.deliver(chunk.content)
                self.counts["delivered"] += chunk.events
            except EventsRefused as refused:
                self._lose(chunk.events, str(refused))
            self._chunks.popleft()
        self._losing = False

    async def _pack_some(self, destination: Destination) -> None:
        batch = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
        self._bytes -= sum(map(_size, batch))
        try:
            chunks, unreadable = await asyncio.to_thread(_chunks_of, batch, self.instance, destination.packed)
        except asyncio.CancelledError:
            self._waiting.extendleft(reversed(batch))
            self._bytes += sum(map(_size, batch))
            raise
        self._chunks.extend(chunks)
        self._lose(unreadable, "they could not be read")

    def _failed(self, error: Exception) -> None:
        text = str(error)
        if self.problem != text:
            log.warning("opa_decision_log_not_delivered", extra=about(error=text))
        self.problem = text

    def _lose(self, count: int, why: str) -> None:
        """Counted each time, logged once until everything is delivered again."""
        if not count:
            return
        self.counts["lost"] += count
        if not self._losing:
            log.warning("opa_decision_log_lost", extra=about(events=count, error=why))
        self._losing = True


def _size(copy: Copy) -> int:
    return memoryview(copy.record).nbytes + memoryview(copy.input).nbytes


def _chunks_of(
    batch: list[Copy], instance: dict[str, str], packed: Callable[[list[bytes]], list[Chunk]]
) -> tuple[list[Chunk], int]:
    """In a thread. What cannot be read is left out and counted."""
    events = []
    for copy in batch:
        try:
            events.append(opa_event(copy.rule, bytes(copy.record), bytes(copy.input), instance))
        except (msgspec.MsgspecError, ValueError):
            continue
    return packed(events), len(batch) - len(events)
