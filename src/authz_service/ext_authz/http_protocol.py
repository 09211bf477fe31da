"""HTTP/1.1 on a worker's Unix socket, for one client: Envoy's ext_authz filter. Not the meaning of a request."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeAlias, cast

import httptools

log = logging.getLogger(__name__)

MAX_QUESTION_BYTES = 131_072  # Envoy's own limit (96 KiB) with room; above it the peer is not Envoy

Answer: TypeAlias = bytes | Awaitable[bytes]
Answerer: TypeAlias = Callable[[bytes, bytes, dict[bytes, bytes]], Answer]


class DecisionProtocol(asyncio.Protocol):
    """Parses one question at a time and writes what `answer(method, target, headers)` gives, at once or awaited.

    Anything that is not one well-formed question after another ends the connection: Envoy then refuses with 503.
    """

    __slots__ = ("_answer", "_found", "_parser", "_pending", "_size", "_target", "_transport")

    def __init__(self, answer: Answerer) -> None:
        self._answer = answer
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._pending: asyncio.Future[bytes] | None = None
        self._target = b""
        self._found: dict[bytes, bytes] = {}
        self._size = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own is no subclass

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._transport = None
        if self._pending is not None:
            self._pending.cancel()

    def pause_writing(self) -> None:
        if self._transport is not None:
            self._transport.abort()  # it asks and does not listen: not Envoy
        self._transport = None

    def data_received(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > MAX_QUESTION_BYTES:
            self._end()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError:
            log.exception("question_failed")  # its context is what a callback of ours raised
            self._end()
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._end()

    # httptools callbacks

    def on_message_begin(self) -> None:
        self._target = b""
        self._found = {}

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        earlier = self._found.get(name)
        # Two of one name stay visible as a list: whoever wants one value refuses the comma (SECURITY T14).
        self._found[name] = value if earlier is None else earlier + b"," + value

    def on_message_complete(self) -> None:
        self._size = 0
        if self._pending is not None or self._transport is None:
            self._end()  # a second question while the first waits: not Envoy
            return
        answer = self._answer(self._parser.get_method(), self._target, self._found)
        if isinstance(answer, bytes):
            self._write(answer)
        else:
            self._pending = asyncio.ensure_future(answer)
            self._pending.add_done_callback(self._write_awaited)

    def _write_awaited(self, answer: asyncio.Future[bytes]) -> None:
        self._pending = None
        if answer.cancelled():
            return  # nobody is there to hear it
        error = answer.exception()
        if error is None:
            self._write(answer.result())
        else:
            log.error("question_failed", exc_info=error)
            self._end()

    def _write(self, answer: bytes) -> None:
        if self._transport is not None:
            self._transport.write(answer)

    def _end(self) -> None:
        """Close, after what was written before; from here on nothing is answered."""
        if self._transport is not None:
            self._transport.close()
        self._transport = None
