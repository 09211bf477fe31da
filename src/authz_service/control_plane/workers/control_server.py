"""The control plane's side of the workers: gives each its rules and keys, hears its counters, fetches what it lacks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from authz_service.control_plane.workers.handover import Handover
from authz_service.control_protocol import (
    Active,
    Answered,
    Copies,
    CountersDelta,
    Hello,
    SetEpoch,
    SetKeys,
    SetRules,
    ToWorker,
    Unusable,
    Wanted,
    pack,
    read_message,
    to_control_decoder,
)
from authz_service.domain.questions import Answer, Asked
from authz_service.domain.rules import GateRules, IssuerKeys
from authz_service.errors import AuthzServiceError
from authz_service.logs import about

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Connected:
    """One worker that is there."""

    slot: int
    pid: int
    writer: asyncio.StreamWriter
    missing_walls: tuple[str, ...]
    revision: str = ""  # "": it decides nothing yet
    epoch: int = 0  # of the rules that it decides by
    error: str = ""


HANDOVER = "handover.sock"  # beside the control socket


@dataclass(slots=True)
class ControlServer:
    """Listens on the private control socket. Everything here runs on the control plane's event loop."""

    socket: Path
    on_counters: Callable[[CountersDelta], None]
    answer: Callable[[Asked], Awaitable[Answer | None]]  # None: nobody could be asked. A key comes by `set_keys` before
    on_change: Callable[[], None] = lambda: None
    on_copies: Callable[[Copies], None] = lambda _: None
    require_walls: bool = False  # who lacks one is told nothing, and so decides nothing
    # What Envoy repeated so far ends: called before anything that an answer depends on is told to a worker.
    raise_epoch: Callable[[], int] = field(default_factory=lambda: count(1).__next__)
    restarts: int = 0
    rules: GateRules | None = None  # the present ones
    _epoch: int = 0
    _rules_epoch: int = 0
    _keys: dict[str, IssuerKeys] = field(default_factory=dict)
    _workers: dict[int, _Connected] = field(default_factory=dict)  # by slot
    _seen: set[int] = field(default_factory=set)
    _told: set[tuple[str, ...]] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _server: asyncio.Server | None = None
    _handover: Handover = field(init=False)

    def __post_init__(self) -> None:
        self._handover = Handover(self.socket.with_name(HANDOVER))

    async def start(self) -> None:
        self._handover.start()
        self.socket.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, str(self.socket))
        self.socket.chmod(0o600)

    def stop(self) -> None:
        self._handover.stop()
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()

    def set_rules(self, rules: GateRules) -> None:
        if rules != self.rules:
            self._epoch = self._rules_epoch = self.raise_epoch()
            self.rules = rules
            self._handover.follow(rules)
            self._send_all(SetRules(rules, self._epoch))

    def set_keys(self, keys: IssuerKeys) -> None:
        self._epoch = self.raise_epoch()
        self._keys[keys.issuer] = keys
        self._send_all(SetKeys(keys, self._epoch))

    def active(self, revision: str) -> int:
        """How many workers decide by `revision`."""
        return sum(worker.revision == revision for worker in self._workers.values())

    async def require_settled(self, revision: str, patience: float) -> None:
        """Wait until every connected worker decides by `revision`. Raises AuthzServiceError when one does not."""
        deadline = asyncio.get_running_loop().time() + patience
        while self.active(revision) < len(self._workers):
            if self.errors():
                raise AuthzServiceError(f"a decision worker cannot use the rules: {'; '.join(self.errors())}")
            if asyncio.get_running_loop().time() > deadline:
                raise AuthzServiceError(f"the decision workers have not taken over the rules within {patience:g} s")
            await asyncio.sleep(0.005)

    async def leave_older_rules(self, patience: float) -> None:
        """Wait until nobody decides by other rules than the present ones.

        Who still does after `patience` seconds is cut off, and so ends: whatever keeps a worker from an answer, it does
        not keep a revocation from Envoy.
        """
        deadline = asyncio.get_running_loop().time() + patience
        while late := [one for one in self._workers.values() if one.revision and one.epoch < self._rules_epoch]:
            if asyncio.get_running_loop().time() > deadline:
                for worker in late:
                    log.error("worker_cut_off", extra=about(slot=worker.slot, pid=worker.pid))
                    del self._workers[worker.slot]
                    worker.writer.close()
                self._end_permits()
                return
            await asyncio.sleep(0.002)

    def errors(self) -> list[str]:
        return sorted({worker.error for worker in self._workers.values() if worker.error})

    def missing_walls(self) -> list[str]:
        return sorted({missing for worker in self._workers.values() for missing in worker.missing_walls})

    def pids(self) -> list[int]:
        return [worker.pid for worker in self._workers.values()]

    def _send_all(self, message: ToWorker) -> None:
        for worker in self._workers.values():
            if not (self.require_walls and worker.missing_walls):
                worker.writer.write(pack(message))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        worker: _Connected | None = None
        try:
            while True:
                match await read_message(reader, to_control_decoder):
                    case Hello() as hello:
                        worker = self._welcome(hello, writer)
                    case Active(revision, epoch) if worker is not None:
                        worker.revision, worker.epoch, worker.error = revision, epoch, ""
                        self.on_change()
                    case Unusable(_, error) if worker is not None:
                        worker.error = error
                        self.on_change()
                    case Wanted(number, question):
                        self._start(self._answer(number, question, writer))
                    case CountersDelta() | Copies() as report:
                        self._pass_on(report)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the worker is gone; the forkserver starts another
        except ValueError:
            log.exception("worker_message_refused")
        finally:
            if worker is not None and self._workers.get(worker.slot) is worker:
                del self._workers[worker.slot]
                self._end_permits()
                self.on_change()
            writer.close()

    def _end_permits(self) -> None:
        """Whoever has taken over a worker permits nothing beyond its end."""
        self._epoch = self.raise_epoch()
        self._send_all(SetEpoch(self._epoch))

    def _pass_on(self, report: CountersDelta | Copies) -> None:
        if isinstance(report, CountersDelta):
            self.on_counters(report)
        else:
            self.on_copies(report)

    def _welcome(self, hello: Hello, writer: asyncio.StreamWriter) -> _Connected:
        self._handover.welcome()  # it has connected there first
        slot = hello.slot
        worker = self._workers[slot] = _Connected(slot, hello.pid, writer, hello.missing_walls)
        if slot in self._seen:
            self.restarts += 1
        self._seen.add(slot)
        if hello.missing_walls:
            self._tell_missing(hello.missing_walls)
            if self.require_walls:
                return worker
        for keys in self._keys.values():
            writer.write(pack(SetKeys(keys, self._epoch)))
        if self.rules is not None:
            writer.write(pack(SetRules(self.rules, self._epoch)))
        return worker

    def _tell_missing(self, walls: tuple[str, ...]) -> None:
        if walls not in self._told:
            self._told.add(walls)
            log.warning("walls_missing", extra=about(walls=walls, required=self.require_walls))

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, number: int, question: Asked, writer: asyncio.StreamWriter) -> None:
        """In any case: somebody waits."""
        answer: Answer | None = None
        try:
            answer = await self.answer(question)
        finally:
            writer.write(pack(Answered(number, answer)))
