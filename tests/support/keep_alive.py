"""Many keep-alive connections to one ingress, for rows that send thousands of requests. Reads nothing into the bytes.

async with Connections(sidecar.place, sidecar.tls(), HOST, count=16) as door:
    answer = await door.ask(b"GET / HTTP/1.1\r\n...")
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from types import TracebackType
from typing import NamedTuple, Self, TypeVar

from tests.support.load import read_answer
from tests.support.patience import PATIENCE

Address = tuple[str, int]
_T = TypeVar("_T")


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def reason(self) -> str:
        """Of a refusal, ours or Envoy's in our form; "" where the body has none."""
        with contextlib.suppress(ValueError, AttributeError):
            return str(json.loads(self.body).get("reason", ""))
        return ""


class Connections:
    """A request waits until a connection is free; a closed one is replaced."""

    def __init__(self, place: Address, tls: ssl.SSLContext, name: str, *, count: int = 16) -> None:
        self._place, self._tls, self._name = place, tls, name
        self._count = count
        self._idle: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter] | None] = asyncio.Queue()
        self.opened = 0

    async def __aenter__(self) -> Self:
        for _ in range(self._count):
            self._idle.put_nowait(None)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while not self._idle.empty():
            if connection := self._idle.get_nowait():
                connection[1].transport.abort()

    async def ask(self, request: bytes) -> Answer:
        """One request, sent as it is, and its answer. A connection that was closed while idle is opened anew."""
        connection = await self._idle.get()
        kept = None
        try:
            if connection is None or connection[0].at_eof() or connection[1].is_closing():
                connection = await asyncio.open_connection(*self._place, ssl=self._tls, server_hostname=self._name)
                self.opened += 1
            reader, writer = connection
            writer.write(request)
            status, headers, body = await asyncio.wait_for(read_answer(reader), PATIENCE)
            if headers.get("connection", "").lower() == "close":
                writer.transport.abort()
            else:
                kept = connection
            return Answer(status, headers, body)
        finally:
            self._idle.put_nowait(kept)


async def all_of(
    cases: Iterable[_T], attempt: Callable[[_T], Awaitable[None]], *, at_once: int = 16
) -> AsyncIterator[int]:
    """Attempt each case, so many at once; yields how many are done by now. The first exception ends it."""
    source, done = iter(cases), 0
    running: set[asyncio.Future[None]] = set()
    try:
        while True:
            while len(running) < at_once and (case := next(source, None)) is not None:
                running.add(asyncio.ensure_future(attempt(case)))
            if not running:
                return
            finished, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for each in finished:
                each.result()
            done += len(finished)
            yield done
    finally:
        for each in running:
            each.cancel()


def get(path: str, host: str, token: bytes | str) -> bytes:
    """A GET with this token, whatever bytes it has."""
    raw = token.encode("latin-1") if isinstance(token, str) else token
    return b"GET %s HTTP/1.1\r\nhost: %s\r\nauthorization: Bearer %s\r\n\r\n" % (path.encode(), host.encode(), raw)
