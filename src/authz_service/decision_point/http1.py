"""HTTP/1.1 for whoever asks us: one request after another on a connection. Not what a request means."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import cast

import httptools

from authz_service.decision_point.http_messages import HttpRequest, http_answer

log = logging.getLogger(__name__)

MOST_BYTES = 262_144  # of headers, as our own Envoy hands on; and of a body, which nobody but AuthZEN reads
_IDLE = 300.0  # seconds; longer than proxies keep an idle connection
_SLOWEST = 10.0  # seconds for one request to arrive

# (request, whether the connection ends after the answer) -> the bytes of the answer
Answerer = Callable[[HttpRequest, bool], Awaitable[bytes]]
Welcome = Callable[[asyncio.BaseTransport], bool]


class HttpConnection(asyncio.Protocol):
    """Anything that is not one well-formed request after another ends the connection, if it can with a 400."""

    def __init__(
        self,
        answer: Answerer,
        is_welcome: Welcome,
        on_begin: Callable[[HttpConnection], None],
        on_end: Callable[[HttpConnection], None],
    ) -> None:
        self._answer = answer
        self._is_welcome = is_welcome
        self._on_begin, self._on_end = on_begin, on_end  # behind the handshake; each begun one ends
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._pending: asyncio.Task[bytes] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._retired = False
        self._size = 0
        self._begin()

    def _begin(self) -> None:
        self._target = b""
        self._found: dict[bytes, bytes] = {}
        self._repeated: set[bytes] = set()
        self._body = b""

    # asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._on_begin(self)
        self._wait(_SLOWEST)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._transport = None
        if self._pending is not None:
            self._pending.cancel()
        if self._timer is not None:
            self._timer.cancel()
        self._on_end(self)

    def eof_received(self) -> None:
        return None

    def data_received(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > MOST_BYTES or self._pending is not None:
            self._end(431 if self._pending is None else None)  # a second request while the first waits
            return
        if self._size == len(data):
            self._wait(_SLOWEST)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:  # of the client's, handed on: we go nowhere else, and answer this one
            self._retired = True
        except httptools.HttpParserError:
            self._end(400)

    def pause_writing(self) -> None:
        if self._transport is not None:
            self._transport.abort()  # it asks and does not listen
        self._transport = None

    def retire(self) -> None:
        """No further question on this connection: what proved who asks has changed."""
        self._retired = True
        if self._pending is None:
            self._end(None)

    # httptools

    def on_message_begin(self) -> None:
        self._begin()

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name in self._found:
            self._repeated.add(name)
            value = self._found[name] + b"," + value
        self._found[name] = value

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        transport = self._transport
        if transport is None:
            return
        self._size = 0
        if self._pending is not None:
            self._end(None)
            return
        if not self._is_welcome(transport):
            self._end(403)
            return
        method = self._parser.get_method()
        request = HttpRequest(method, self._target, self._found, frozenset(self._repeated), self._body)
        last = self._retired or not self._parser.should_keep_alive()
        if self._timer is not None:
            self._timer.cancel()
        self._pending = asyncio.ensure_future(self._answer(request, last))
        self._pending.add_done_callback(lambda done: self._write(done, last=last))

    def _write(self, answer: asyncio.Task[bytes], *, last: bool) -> None:
        self._pending = None
        if answer.cancelled() or self._transport is None:
            return
        error = answer.exception()
        if error is not None:
            log.error("question_failed", exc_info=error)
            self._end(500)
            return
        self._transport.write(answer.result())
        if last or self._retired:
            self._end(None)
        else:
            self._wait(_IDLE)

    def _wait(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._end, None)

    def _end(self, status: int | None) -> None:
        if self._transport is not None:
            if status is not None:
                self._transport.write(http_answer(status, (), b"", last=True))
            self._transport.close()
        self._transport = None
