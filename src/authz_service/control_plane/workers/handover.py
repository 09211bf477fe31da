"""Opens for the workers what they may not open themselves: the audit's files, connections to the policy server.

The control plane's side of `handed_over`. What is opened follows from the rules, never from what a worker says.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Coroutine
from pathlib import Path

import msgspec

from authz_service.audit.chain import open_memory
from authz_service.audit.destinations import OwnDestinations
from authz_service.domain.rules import GateRules, PolicyServer
from authz_service.errors import AuditUnavailable
from authz_service.handover_protocol import (
    LONGEST,
    AuditOpened,
    ChainOpened,
    Dial,
    Dialled,
    Handed,
    Mend,
    Mended,
    decode_wanted,
    encode,
)
from authz_service.policy.decide.opa_server import dial

log = logging.getLogger(__name__)

_LOOK = 1.0  # seconds between looks at the audit file's rotation
_WAITING = 64 + 1  # workers, and one that is just replaced


class Handover:
    """Listens on a private socket. Everything here runs on the control plane's event loop."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._listening: socket.socket | None = None
        self._workers: set[socket.socket] = set()
        self._rules: GateRules | None = None
        self._servers: tuple[PolicyServer | None, ...] = ()  # of the present rules, and of those before
        self._destinations = OwnDestinations()
        self._error = ""
        self._descriptor = -1  # the audit's, to mend it and to see it move
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        self._path.unlink(missing_ok=True)
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listening.setblocking(False)
        self._listening.bind(str(self._path))
        self._path.chmod(0o600)
        self._listening.listen(_WAITING)
        asyncio.get_running_loop().add_reader(self._listening, self.welcome)
        self._start(self._look())

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        loop = asyncio.get_running_loop()
        for end in (*self._workers, self._listening):
            if end is not None:
                loop.remove_reader(end)
                end.close()
        self._workers.clear()
        self._keep(-1)

    def welcome(self) -> None:
        """Whoever has connected: give him what there is. Before he is told the rules."""
        while self._listening is not None:
            try:
                end, _ = self._listening.accept()
            except (BlockingIOError, ConnectionError):
                return
            end.setblocking(False)
            self._workers.add(end)
            asyncio.get_running_loop().add_reader(end, self._hear, end)
            if self._rules is not None:
                self._hand_chain(end, self._rules.audit_chain)
                self._hand_audit(end, self._rules.audit_path)

    def follow(self, rules: GateRules) -> None:
        """Hand out what these rules need. Before the workers are told them."""
        last, self._rules = self._rules, rules
        if last is None or last.policy_server != rules.policy_server:
            self._servers = (rules.policy_server, *self._servers[:1])
        if last is None or last.audit_chain != rules.audit_chain:
            for end in self._workers:
                self._hand_chain(end, rules.audit_chain)
        if last is None or last.audit_path != rules.audit_path:
            self._destinations = OwnDestinations()
            self._open_anew(rules.audit_path)

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(_LOOK)
            rules = self._rules
            if rules is not None and (self._error or self._destinations.has_moved(rules.audit_path)):
                self._open_anew(rules.audit_path)

    def _open_anew(self, path: str) -> None:
        """Another file stands there: everybody gets it. The same error as before is not told again."""
        last = self._error
        self._keep(-1)
        try:
            self._keep(self._destinations.open(path).descriptor)
            self._error = ""
        except AuditUnavailable as error:
            self._error = str(error)
        if not self._error or self._error != last:
            for end in tuple(self._workers):
                self._hand_audit(end, path)

    def _keep(self, descriptor: int) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = descriptor

    def _hand_audit(self, end: socket.socket, path: str) -> None:
        """Each worker gets an opening of its own (open(2)): none shares another's flags."""
        try:
            descriptor, torn = OwnDestinations().open(path)
        except AuditUnavailable as error:
            self._send(end, AuditOpened(path, error=str(error)))
        else:
            self._send(end, AuditOpened(path, torn), descriptor)

    def _hand_chain(self, end: socket.socket, path: str) -> None:
        if not path:
            return
        try:
            descriptor = open_memory(path)
        except OSError as error:
            self._send(end, ChainOpened(path, str(error)))
        else:
            self._send(end, ChainOpened(path), descriptor)

    def _hear(self, end: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            try:
                wanted = end.recv(LONGEST)
                if wanted:
                    self._answer(end, wanted)
                    return
            except ConnectionError:
                pass
            except (msgspec.MsgspecError, ValueError):
                log.exception("worker_message_refused")
            asyncio.get_running_loop().remove_reader(end)
            self._workers.discard(end)
            end.close()

    def _answer(self, end: socket.socket, wanted: bytes) -> None:
        match decode_wanted(wanted):
            case Mend(path):
                known = self._rules is not None and path == self._rules.audit_path and self._descriptor >= 0
                if known and self._destinations.mend(path, self._descriptor):
                    self._send(end, Mended(path))
            case Dial(number, server):
                self._start(self._dial(end, number, server))

    async def _dial(self, end: socket.socket, number: int, server: PolicyServer) -> None:
        if server not in self._servers:
            self._send(end, Dialled(number, "it is no policy server of these rules"))
            return
        try:
            async with asyncio.timeout(server.timeout):
                connection = await dial(server)
        except OSError as error:
            self._send(end, Dialled(number, str(error) or type(error).__name__))
        else:
            self._send(end, Dialled(number), connection.detach())

    def _send(self, end: socket.socket, message: Handed, descriptor: int = -1) -> None:
        """The descriptor is the worker's from now on. One that reads no more is on its way out."""
        try:
            with contextlib.suppress(OSError):
                socket.send_fds(end, [encode(message)], [] if descriptor < 0 else [descriptor])
        finally:
            if descriptor >= 0:
                os.close(descriptor)

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
