"""A bad network: a TCP proxy that delays, slows, cuts, resets or swallows what passes. It reads nothing into the bytes.

with FaultProxy(("127.77.5.1", 8443), to=("127.0.0.1", port)) as proxy:
    proxy.switch(Fault(latency=2.0))   # open connections feel it too
    proxy.switch(Fault(reset=True))
    proxy.switch(NO_FAULT)

Faults hit what the server sends; the client's bytes pass, unless the fault takes the whole connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Coroutine
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from tests.support.patience import PATIENCE

Address = tuple[str, int]
_PIECE = 16 << 10
_LOOK = 0.02  # seconds between looks at a fault that stands in the way


@dataclass(frozen=True)
class Fault:
    """What goes wrong; the parts can be combined."""

    latency: float = 0.0  # seconds before each piece of the answer
    rate: float = 0.0  # bytes of the answer per second; 0 = as fast as it comes
    truncate: int | None = None  # so many bytes of the answer pass, then the connection is closed
    half_close: int | None = None  # so many bytes pass, then the answer ends; what the client says is still heard
    blackhole: bool = False  # connections are accepted, and nothing passes in either direction
    reset: bool = False  # every connection is reset: open ones at once, new ones as they come
    down: bool = False  # nobody listens, and open connections are reset


NO_FAULT = Fault()


class FaultProxy:
    """Listens from `__enter__` on, in a thread with an event loop of its own."""

    def __init__(self, place: Address, to: Address) -> None:
        """Port 0 is a free one; `place` tells which."""
        self.place = place
        self.connections = 0  # accepted so far
        self._to = to
        self._fault = NO_FAULT
        self._open: set[_Connection] = set()
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._listen())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()

    def switch(self, fault: Fault) -> None:
        """From now on this is wrong, and nothing else. Limits count from here; a connection that was cut stays cut."""
        self._call(self._switch(fault))

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, *self.place, backlog=1024)
        self.place = self._server.sockets[0].getsockname()[:2]

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        for connection in list(self._open):
            connection.reset()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _switch(self, fault: Fault) -> None:
        self._fault = fault
        for connection in list(self._open):
            connection.passed = 0
            if fault.reset or fault.down:
                connection.reset()
        if fault.down and self._server is not None:
            self._server.close()
            self._server = None
        elif not fault.down and self._server is None:
            await self._listen()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        connection = _Connection(writer)
        self._open.add(connection)
        try:
            if self._fault.reset:
                connection.reset()
                return
            with contextlib.suppress(OSError):
                await self._pass_on(connection, reader, writer)
        finally:
            self._open.discard(connection)
            connection.close()

    async def _pass_on(
        self, connection: _Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while self._fault.blackhole:
            await asyncio.sleep(_LOOK)
        server_reader, server_writer = await asyncio.open_connection(*self._to)
        connection.server = server_writer
        asked = asyncio.create_task(self._questions(reader, server_writer))
        answered = asyncio.create_task(self._answers(connection, server_reader, writer))
        try:
            await asyncio.wait({asked, answered}, return_when=asyncio.FIRST_COMPLETED)
            if asked.done() and not asked.exception():
                await asked
                await answered  # the client has said all, and waits
        finally:
            for task in (asked, answered):
                task.cancel()
            await asyncio.gather(asked, answered, return_exceptions=True)

    async def _questions(self, reader: asyncio.StreamReader, server: asyncio.StreamWriter) -> None:
        while piece := await reader.read(_PIECE):
            while self._fault.blackhole:
                await asyncio.sleep(_LOOK)
            server.write(piece)
            await server.drain()
        if server.can_write_eof():
            server.write_eof()

    async def _answers(
        self, connection: _Connection, server: asyncio.StreamReader, client: asyncio.StreamWriter
    ) -> None:
        """Returns when the connection is to be closed."""
        while piece := await server.read(_PIECE):
            while piece:
                fault = self._fault
                if fault.blackhole:
                    await asyncio.sleep(_LOOK)
                    continue
                if fault.latency:
                    await asyncio.sleep(fault.latency)
                now, piece = _cut(piece, fault, connection.passed)
                connection.passed += len(now)
                client.write(now)
                await client.drain()
                if fault.rate:
                    await asyncio.sleep(len(now) / fault.rate)
                if fault.truncate is not None and connection.passed >= fault.truncate:
                    return
                if fault.half_close is not None and connection.passed >= fault.half_close:
                    client.write_eof()
                    await asyncio.Event().wait()  # until the client, or the next fault, ends it


class _Connection:
    """A client's connection and, once it is made, its other half."""

    def __init__(self, client: asyncio.StreamWriter) -> None:
        self.client = client
        self.server: asyncio.StreamWriter | None = None
        self.passed = 0  # bytes of the answer since the last switch

    def close(self) -> None:
        for half in (self.client, self.server):
            if half is not None:
                half.close()

    def reset(self) -> None:
        """RST instead of FIN (SO_LINGER of socket(7), with no time)."""
        for half in (self.client, self.server):
            if half is not None and not half.transport.is_closing():
                plain = half.get_extra_info("socket")
                plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                half.transport.abort()


def _cut(piece: bytes, fault: Fault, passed: int) -> tuple[bytes, bytes]:
    """What may pass now, and what must wait."""
    most = len(piece)
    if fault.rate:
        most = min(most, max(1, int(fault.rate / 20)))
    for limit in (fault.truncate, fault.half_close):
        if limit is not None:
            most = min(most, max(0, limit - passed))
    return piece[:most], piece[most:]
