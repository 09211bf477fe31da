"""The service behind a sidecar under test: answers with what it received, byte for byte. Reads nothing into the bytes.

with EchoService("127.77.5.1", 9000) as service:
    ...
    assert service.seen[-1].values("x-user-id") == ["john"]

The query steers the answer: `delay=1.5` waits first, `size=1000000` sends so many bytes, `events=4` sends so many
server-sent events, `last=1` ends the connection. A body is counted and forgotten, so that uploads of any size fit.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import parse_qsl

from tests.support.patience import PATIENCE

EVENT_PAUSE = 0.25  # seconds between server-sent events
_PIECE = b"\0" * (256 << 10)
_HEAD_LIMIT = 1 << 20


class Seen(NamedTuple):
    """One request as it arrived; names and target exactly as sent."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body_size: int
    peer_serial: str  # of the client's certificate, as hexadecimal digits; "" = none
    at: float  # when, as time.time()

    def values(self, name: str) -> list[str]:
        """Every value of the header, whatever the name's case."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    @property
    def names(self) -> set[str]:
        return {name.lower() for name, _ in self.headers}


class EchoService:
    """Serves from `__enter__` on, in a thread with an event loop of its own."""

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        self.host, self.port = host, port
        self.seen: list[Seen] = []
        self._tls = tls
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="echo", daemon=True)
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(PATIENCE)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(PATIENCE)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()

    @property
    def place(self) -> tuple[str, int]:
        return (self.host, self.port)

    def paths(self) -> list[str]:
        return [seen.target for seen in self.seen]

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(
            self._serve, self.host, self.port, ssl=self._tls, limit=_HEAD_LIMIT, backlog=256
        )
        self.port = self._server.sockets[0].getsockname()[1]  # 0 was any

    async def _close(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in list(self._open):
            writer.transport.abort()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while await self._answer_one(reader, writer):
                pass
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError, ssl.SSLError):
            pass  # whoever hung up is no news
        finally:
            self._open.discard(writer)
            writer.close()

    async def _answer_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *rest = head[:-4].split("\r\n")
        method, target, _ = line.split(" ")
        headers = tuple((name, value.strip()) for name, _, value in (one.partition(":") for one in rest))
        size = await _skip_body(reader, {name.lower(): value for name, value in headers})
        certificate = writer.get_extra_info("peercert") or {}
        seen = Seen(method, target, headers, size, certificate.get("serialNumber", "").lower().lstrip("0"), time.time())
        self.seen.append(seen)
        wanted = dict(parse_qsl(target.partition("?")[2]))
        await asyncio.sleep(float(wanted.get("delay", "0")))
        if "events" in wanted:
            await _send_events(writer, int(wanted["events"]))
        elif "size" in wanted:
            await _send_bytes(writer, int(wanted["size"]))
        else:
            body = json.dumps(seen._asdict()).encode()
            close = "connection: close\r\n" if "last" in wanted else ""
            text = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{close}content-length: {len(body)}\r\n\r\n"
            writer.write(text.encode() + (b"" if method == "HEAD" else body))
        await writer.drain()
        return "last" not in wanted


async def _skip_body(reader: asyncio.StreamReader, headers: dict[str, str]) -> int:
    if "chunked" not in headers.get("transfer-encoding", ""):
        return await _skip(reader, int(headers.get("content-length", "0")))
    total = 0
    while size := int((await reader.readline()).split(b";")[0], 16):
        total += await _skip(reader, size)
        await reader.readexactly(2)
    while await reader.readline() != b"\r\n":
        pass  # trailers
    return total


async def _skip(reader: asyncio.StreamReader, size: int) -> int:
    left = size
    while left:
        piece = await reader.read(min(left, 1 << 20))
        if not piece:
            raise asyncio.IncompleteReadError(b"", left)
        left -= len(piece)
    return size


async def _send_bytes(writer: asyncio.StreamWriter, size: int) -> None:
    writer.write(f"HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n".encode())
    for start in range(0, size, len(_PIECE)):
        writer.write(_PIECE[: size - start])
        await writer.drain()


async def _send_events(writer: asyncio.StreamWriter, count: int) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
    for number in range(count):
        event = b"data: %d\n\n" % number
        writer.write(b"%x\r\n%s\r\n" % (len(event), event))
        await writer.drain()
        await asyncio.sleep(EVENT_PAUSE)
    writer.write(b"0\r\n\r\n")


def tls_server(certificate: Path, key: Path, client_ca: Path | None = None) -> ssl.SSLContext:
    """With a `client_ca` a client certificate of that CA is required."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    if client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(client_ca)
    return context


@contextlib.contextmanager
def nothing_arrives(service: EchoService) -> Iterator[None]:
    """Within it, not one request reaches the service."""
    before = len(service.seen)
    yield
    assert service.seen[before:] == []
