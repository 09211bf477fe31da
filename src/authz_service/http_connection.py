"""HTTP/1.1 as its client: connections to one place, each used for one question after another. Not where they lead to.

Strict by llhttp's rules: who frames an answer in two ways, or sends one that nobody asked for, is hung up on.
"""

from __future__ import annotations

import asyncio
import select
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple, cast

import httptools

LARGEST_HEAD = 64 << 10  # bytes of an answer's headers
_KEPT = 30.0  # seconds that a connection waits for the next question


class Answer(NamedTuple):
    """One that arrived whole."""

    status: int
    headers: dict[str, str]  # by names in lower case; of several with one name the last
    body: bytes


class AnswerTooLarge(ConnectionError):  # noqa: N818 - it names what happened
    """Its body is longer than the asker will hear."""


class Connections:
    """To one place: `connect` makes one. At most `most` at a time; `most_idle` wait for the next question."""

    def __init__(self, connect: Callable[[], Awaitable[HttpConnection]], most: int, most_idle: int) -> None:
        self._connect = connect
        self._free = asyncio.Semaphore(most)
        self._most_idle = most_idle
        self._idle: list[tuple[HttpConnection, float]] = []  # the one used last at the end; since when
        self._busy: set[HttpConnection] = set()

    async def ask(self, question: bytes, largest: int) -> Answer:
        """Raises OSError, AnswerTooLarge among them. A question is sent once: its asker knows whether it may again."""
        async with self._free:
            connection = self._find_idle() or await self._connect()
            self._busy.add(connection)
            try:
                answer = await connection.ask(question, largest)
            except BaseException:
                connection.close()  # an answer that comes now would be taken for the next one's
                raise
            finally:
                self._busy.discard(connection)
        if len(self._idle) < self._most_idle:
            self._idle.append((connection, time.monotonic()))
        else:
            connection.close()
        return answer

    def retire(self) -> None:
        """Nobody asks here any more; answers that are awaited still come."""
        self._most_idle = 0
        while self._idle:
            self._idle.pop()[0].close()

    def close(self) -> None:
        self.retire()
        for connection in self._busy:
            connection.close()

    def _find_idle(self) -> HttpConnection | None:
        while self._idle:
            connection, since = self._idle.pop()
            if connection.is_quiet() and time.monotonic() - since < _KEPT:
                return connection
            connection.close()
        return None


class HttpConnection(asyncio.Protocol):
    """One question after another."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[Answer] | None = None
        self._begin()

    def ask(self, question: bytes, largest: int) -> asyncio.Future[Answer]:
        """`largest`: bytes of a body that are heard."""
        self._waiting = waiting = asyncio.get_running_loop().create_future()
        self._parser = httptools.HttpResponseParser(self)
        self._largest, self._received = largest, 0
        self._begin()
        if self._transport is None:
            self._fail(ConnectionError("the connection is closed"))
        else:
            self._transport.write(question)
        return waiting

    def is_quiet(self) -> bool:
        """Open, with nothing to read: neither its end nor what nobody asked for, heard of or not."""
        if self._transport is None or self._waiting is not None:
            return False
        look = select.poll()
        look.register(self._transport.get_extra_info("socket"), select.POLLIN)
        return not look.poll(0)

    def close(self) -> None:
        """At once; whoever waits is told."""
        self._fail(ConnectionError("the connection is closed"))

    # ---- of the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._waiting is None:
            self.close()  # nobody asked
            return
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(ConnectionError(f"not an HTTP answer ({type(error).__name__})"))
        if self._received > 2 * self._largest + LARGEST_HEAD:
            self._fail(ConnectionError("an answer without an end"))  # of interim answers, of the smallest chunks

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is None and self._ends_with_connection:
            self._finish()
        elif isinstance(exc, OSError):
            self._fail(exc)
        elif self._received:
            self._fail(ConnectionError("peer closed connection without sending a complete message"))
        else:
            self._fail(ConnectionError("Server disconnected without sending a response."))

    # ---- of the parser

    def on_message_begin(self) -> None:
        self._begin()
        if self._waiting is None:
            self.close()  # a second answer

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head += len(name) + len(value)
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1").strip()

    def on_headers_complete(self) -> None:
        if self._head > LARGEST_HEAD:
            self._fail(ConnectionError(f"an answer with more than {LARGEST_HEAD} bytes of headers"))
        framed = self._headers.keys() & {"content-length", "transfer-encoding"}
        self._ends_with_connection = not framed  # RFC 9112 §6.3

    def on_body(self, piece: bytes) -> None:
        self._body += piece
        if len(self._body) > self._largest:
            self._fail(AnswerTooLarge(f"an answer of more than {self._largest} bytes"))

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() >= 200:  # RFC 9110 §15.2: else another one follows
            self._finish()
            if not self._parser.should_keep_alive():
                self.close()

    # ----

    def _begin(self) -> None:
        self._headers: dict[str, str] = {}
        self._head = 0
        self._body = bytearray()
        self._ends_with_connection = False

    def _finish(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_result(Answer(self._parser.get_status_code(), self._headers, bytes(self._body)))

    def _fail(self, error: Exception) -> None:
        waiting, self._waiting = self._waiting, None
        if self._transport is not None:
            self._transport.abort()
        self._transport = None
        if waiting is not None and not waiting.done():
            waiting.set_exception(error)
