"""The process at which other people's proxies ask, in the place of our own Envoy: it listens, and asks the workers.

Started by the control plane as `python -m authz_service.decision_point.door`. It follows the files that are written for
it: `door.json`, and the secrets that Envoy would be given. What it took over last it says in `door.version`.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import logging
import os
import signal
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import msgspec
import uvloop

from authz_service import logs, private_file
from authz_service.decision_point import ext_authz_grpc
from authz_service.decision_point.askers import Askers, server_context
from authz_service.decision_point.desk import Desk
from authz_service.decision_point.http1 import HttpConnection
from authz_service.decision_point.http2 import GrpcConnection
from authz_service.decision_point.rules import DoorRules
from authz_service.decision_point.workers import Workers
from authz_service.logs import about
from authz_service.walls.raising import around_door

log = logging.getLogger(__name__)

_LOOK = 0.2  # seconds between looks at the files
_DRAIN = 5.0  # seconds for questions that are being answered when we end
_HANDSHAKE = 5.0  # seconds
_decode = msgspec.json.Decoder(DoorRules).decode
Connection = HttpConnection | GrpcConnection


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--service", required=True)
    parser.add_argument("--rules", type=Path, required=True, help="door.json")
    parser.add_argument("--listening", type=int, nargs="+", required=True, help="one for each asker")
    options = parser.parse_args()
    logs.configure(options.service)
    around_door()
    uvloop.run(Door(options.rules, options.listening).run())


class Door:
    """What listens is there before us and after us; connections are ours."""

    def __init__(self, rules: Path, listening: list[int]) -> None:
        self._file = rules
        self._listening = listening
        self._connections: set[Connection] = set()  # each is in it from the end of its handshake to its own
        self._most = 0  # connections
        self._servers: list[asyncio.Server] = []
        self._workers: Workers | None = None
        self._seen: tuple[object, ...] = ()  # of the files, when they were taken over
        self._problem = ""
        self._stop = asyncio.Event()

    async def run(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._stop.set)
        while not self._stop.is_set():
            await self._follow()
            try:
                await asyncio.wait_for(self._stop.wait(), _LOOK)
            except TimeoutError:
                continue
        await self._end()

    async def _follow(self) -> None:
        """Take over what changed; what cannot be used leaves the last good state."""
        try:
            text = self._file.read_bytes()
            rules = _decode(text)
            secrets = [Path(path) for path in (rules.certificate, rules.client_ca) if path]
            seen = (text, *(path.read_bytes() for path in secrets))
            if seen == self._seen:
                return
            contexts = [self._context(rules, at) for at in range(len(rules.askers))]
            await self._serve(rules, contexts)
        except (OSError, ValueError, KeyError, msgspec.MsgspecError) as error:
            if str(error) != self._problem:
                self._problem = str(error)
                log.error("door_rules_unusable", extra=about(error=self._problem))  # noqa: TRY400 - expected
            return
        self._seen, self._problem = seen, ""
        private_file.write("door.version", f"{os.getpid()} {version_of(text)}".encode(), folder=self._file.parent)

    def _context(self, rules: DoorRules, at: int) -> ssl.SSLContext | None:
        asker = rules.askers[at]
        if not asker.allowed:
            return None
        return server_context(Path(rules.certificate), Path(rules.client_ca), rules.oldest_tls, asker.protocol)

    async def _serve(self, rules: DoorRules, contexts: list[ssl.SSLContext | None]) -> None:
        """New connections by the new rules; the old ones end after what they are at."""
        workers = Workers(rules.workers, rules.attempt)
        before, old = self._servers, list(self._connections)
        servers = []
        for at, (asker, context) in enumerate(zip(rules.askers, contexts, strict=True)):
            desk, welcome = Desk(asker, rules, workers), Askers(asker)
            grpc = asker.protocol == "ext_authz_grpc"
            make = self._grpc(desk, welcome) if grpc else self._http(desk, welcome)
            servers.append(await self._listen(self._listening[at], self._within(rules.max_connections, make), context))
        self._servers = servers
        for server in before:
            server.close()
        for connection in old:
            connection.retire()
        if self._workers is not None:
            self._workers.close()
        self._workers = workers

    async def _listen(
        self, descriptor: int, make: Callable[[], asyncio.Protocol], context: ssl.SSLContext | None
    ) -> asyncio.Server:
        """On a copy of it, which closes with the server."""
        end = socket.socket(fileno=os.dup(descriptor))
        loop = asyncio.get_running_loop()
        patience = None if context is None else _HANDSHAKE
        return await loop.create_server(make, sock=end, ssl=context, ssl_handshake_timeout=patience)

    def _http(self, desk: Desk, askers: Askers) -> Callable[[], Connection]:
        return lambda: HttpConnection(desk.answer_http, askers.is_welcome, self._take_in, self._connections.discard)

    def _grpc(self, desk: Desk, askers: Askers) -> Callable[[], Connection]:
        answers = {ext_authz_grpc.METHOD: desk.answer_check}
        return lambda: GrpcConnection(answers, askers.is_welcome, self._take_in, self._connections.discard)

    def _within(self, most: int, make: Callable[[], Connection]) -> Callable[[], asyncio.Protocol]:
        self._most = most
        return lambda: _Closed() if len(self._connections) >= most else make()

    def _take_in(self, connection: Connection) -> None:
        """Its handshake is over. Many may have begun theirs while there was room."""
        self._connections.add(connection)
        if len(self._connections) > self._most:
            connection.retire()

    async def _end(self) -> None:
        for server in self._servers:
            server.close()
        for connection in list(self._connections):
            connection.retire()
        deadline = asyncio.get_running_loop().time() + _DRAIN
        while self._connections and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.02)


class _Closed(asyncio.Protocol):
    """One connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


def version_of(text: bytes) -> str:
    """By which the control plane knows what we took over."""
    return hashlib.sha256(text).hexdigest()


if __name__ == "__main__":
    main()
