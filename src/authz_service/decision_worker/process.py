"""A decision worker: serves Envoy's questions on a Unix socket, by rules from the control plane. Holds no secret.

Everything it imports was imported by the forkserver before the fork: its memory is shared, and behind its walls it can
open no file. What it needs comes as open descriptors (`handed_over`).
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable, Coroutine
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import uvloop

from authz_rego.at_hand import bring_everything
from authz_service.control_protocol import (
    Active,
    Answered,
    Hello,
    SetEpoch,
    SetKeys,
    SetRules,
    Unusable,
    pack,
    read_message,
    to_worker_decoder,
)
from authz_service.decision_worker.answer import Answering
from authz_service.decision_worker.counters import WorkerCounters
from authz_service.decision_worker.decision_log_buffer import DecisionLogBuffer
from authz_service.decision_worker.handed_over import HandedOver
from authz_service.decision_worker.in_flight import InFlight
from authz_service.decision_worker.pending_questions import PendingQuestions
from authz_service.decision_worker.requests_in_progress import RequestsInProgress
from authz_service.decision_worker.revisions import Revisions
from authz_service.decision_worker.watchdog import BEAT
from authz_service.domain.questions import Answers
from authz_service.errors import AuditUnavailable
from authz_service.ext_authz.http_protocol import DecisionProtocol
from authz_service.logs import about
from authz_service.walls.raising import around_worker

log = logging.getLogger(__name__)

# A policy that eats memory ends its worker (an allocation fails), not the sidecar. On top of what we have at the start.
MEMORY_ALLOWANCE = 512 << 20  # bytes
_TICK = 1.0  # seconds between delta, and between looks at the audit file's rotation
_SWITCH = 0.0005  # seconds after which a thread that compiles a policy lets a question pass
_LAST_ANSWERS = 0.05  # seconds for questions that are being answered when we end
# What libraries of ours import when they first need it.
_NEEDED_LATER = (
    "concurrent.futures.thread", "cryptography.hazmat.primitives.asymmetric.dsa",
    "cryptography.hazmat.primitives.asymmetric.ec", "cryptography.hazmat.primitives.asymmetric.ed25519",
    "cryptography.hazmat.primitives.asymmetric.ed448", "cryptography.hazmat.primitives.asymmetric.padding",
    "cryptography.hazmat.primitives.asymmetric.rsa", "cryptography.hazmat.primitives.asymmetric.utils",
    "cryptography.hazmat.primitives.asymmetric.x25519", "cryptography.hazmat.primitives.asymmetric.x448",
    "cryptography.hazmat.primitives.serialization", "cryptography.x509", "encodings.ascii", "encodings.idna",
    "encodings.latin_1", "encodings.unicode_escape", "encodings.utf_16", "encodings.utf_16_le", "encodings.utf_32",
    "encodings.utf_8_sig", "linecache", "tokenize", "traceback",
)  # fmt: skip


class Doors(NamedTuple):
    """All that a worker keeps open, beside its standard error."""

    control: socket.socket
    handover: socket.socket
    decisions: int  # listening

    @classmethod
    def connect(cls, control_socket: str, handover_socket: str, decisions: int) -> Doors:
        """Raises OSError when the control plane is gone. The handover first: what is there comes before the rules."""
        handover = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        handover.connect(handover_socket)
        control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        control.connect(control_socket)
        return cls(control, handover, decisions)

    def close_all_others(self) -> None:
        """Those of other workers, and standard output: the control plane hands over what is written to."""
        os.dup2(0, 1)  # our parent's parent gave us /dev/null there
        kept = sorted({0, 1, 2, self.control.fileno(), self.handover.fileno(), self.decisions})
        for low, high in pairwise((*kept, os.sysconf("SC_OPEN_MAX"))):
            os.closerange(low + 1, high)


def prepare() -> None:
    """Bring what is otherwise read when it is first needed. The forkserver does it, once for all of its workers."""
    for module in _NEEDED_LATER:
        import_module(module)
    bring_everything()


def run_worker(in_flight: InFlight, doors: Doors, missing: list[str]) -> None:
    """Serve until the control plane goes away or SIGTERM arrives. `missing`: walls that could not be raised so far."""
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = _reserved_bytes() + MEMORY_ALLOWANCE
    limit = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # callers' tokens are in our memory
    sys.setswitchinterval(_SWITCH)
    gc.freeze()
    doors.close_all_others()
    missing += around_worker()
    uvloop.run(_Worker(in_flight, doors, missing).run())


def _reserved_bytes() -> int:
    """VmData of proc(5): what RLIMIT_DATA counts, present or not."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    return 0


class _Worker:
    def __init__(self, in_flight: InFlight, doors: Doors, missing: list[str]) -> None:
        self._in_flight = in_flight
        self._doors = doors
        self._missing = tuple(missing)
        self._handed_over = HandedOver(doors.handover)
        self._counters = WorkerCounters()
        self._unrecordable: SetRules | None = None  # those that wait for their audit destination
        self._taking_over = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        answers = Answers(time.monotonic)
        self._questions = PendingQuestions(lambda wanted: self._send(pack(wanted)), answers)
        self._copies = DecisionLogBuffer(self._send, self._unsent)
        self._rules = Revisions(in_flight, self._counters, answers, self._copies, self._handed_over)
        self._answering = Answering(in_flight, self._rules, self._questions)
        self._in_progress = RequestsInProgress(lambda: self._rules.service_for(b""), self._questions)
        self._server: asyncio.Server | None = None
        self._stop = asyncio.Event()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stop.set)
        loop.add_signal_handler(signal.SIGINT, lambda: None)  # the control plane decides when we end
        reader, self._writer = await asyncio.open_unix_connection(sock=self._doors.control)
        self._handed_over.listen(lambda: self._start(self._look_after_records()))
        self._writer.write(pack(Hello(self._in_flight.slot, os.getpid(), self._missing)))
        parts = (self._listen(reader), self._tick(), self._beat(), self._stopped())
        tasks = [asyncio.create_task(part) for part in parts]
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if self._server is not None:
            self._server.close()
            await asyncio.sleep(_LAST_ANSWERS)
            self._copies.flush()
        for task in tasks:
            task.cancel()
        for task in done:
            task.result()  # raises what ended it

    def _protocol(self) -> DecisionProtocol:
        return DecisionProtocol(self._answering.answer, self._in_progress.answer, self._answering.recall)

    def _send(self, message: bytes) -> None:
        self._writer.write(message)

    def _unsent(self) -> int:
        return self._writer.transport.get_write_buffer_size()

    async def _stopped(self) -> None:
        await self._stop.wait()

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        while True:
            try:
                message = await read_message(reader, to_worker_decoder)
            except asyncio.IncompleteReadError:
                return  # the control plane is gone, and so are we
            match message:
                case SetRules() as told:
                    self._rules.expect(told.epoch)
                    self._start(self._use(told))
                case SetKeys(keys, epoch):
                    self._rules.set_keys(keys, epoch)
                case SetEpoch(epoch):
                    self._rules.set_epoch(epoch)
                case Answered() as answered:
                    self._questions.hear(answered)

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _use(self, told: SetRules) -> None:
        """Decide by these rules from now on; what cannot be built leaves the last rules in force."""
        rules = told.rules
        async with self._taking_over:
            if self._rules.has_newer_than(told.epoch):
                return  # they waited too long for their destination
            try:
                # A large policy takes seconds to compile, and callers do not wait for that.
                engine = await asyncio.to_thread(self._rules.engine_for, rules)
                self._rules.use(rules, engine, told.epoch)
            except AuditUnavailable as error:
                if self._unrecordable is not told:
                    log.error("rules_unusable", extra=about(revision=rules.revision, error=str(error)))  # noqa: TRY400 - expected, no traceback
                    self._writer.write(pack(Unusable(rules.revision, str(error))))
                self._unrecordable = told
                return
            except Exception as error:
                log.exception("rules_unusable", extra=about(revision=rules.revision))
                self._writer.write(pack(Unusable(rules.revision, f"{type(error).__name__}: {error}")))
                self._unrecordable = None
                return
            self._unrecordable = None
            if self._server is None:
                self._server = await _serve(self._doors.decisions, self._protocol)
            self._writer.write(pack(Active(rules.revision, told.epoch)))

    async def _beat(self) -> None:
        while True:
            self._in_flight.beat()
            await asyncio.sleep(BEAT)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK)
            self._copies.flush()
            error = self._counters.audit_error
            delta = self._counters.take()
            if delta is not None:
                self._writer.write(pack(delta))
                if error:
                    log.error("audit_unavailable", extra=about(records=delta.audit_failures, error=error))
            await self._look_after_records()

    async def _look_after_records(self) -> None:
        self._rules.look_after_records()
        if self._unrecordable is not None:
            await self._use(self._unrecordable)


async def _serve(listening: int, protocol: Callable[[], DecisionProtocol]) -> asyncio.Server:
    """Take what connects to the slot's socket, which the control plane made and keeps: it outlives us."""
    loop, end = asyncio.get_running_loop(), socket.socket(fileno=listening)
    if sys.version_info >= (3, 13):  # else the loop looks for its file, behind the walls, and takes it away at the end
        return await loop.create_unix_server(protocol, sock=end, cleanup_socket=False)
    return await loop.create_unix_server(protocol, sock=end)
