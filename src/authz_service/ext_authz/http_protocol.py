"""HTTP/1.1 on a worker's Unix socket, for one client: Envoy, whose filters ask. Not the meaning of a request."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from typing import TypeAlias, cast

import httptools

from authz_service.headers import IN_PROGRESS_PATH
from authz_service.request_form import METHODS

log = logging.getLogger(__name__)

# The most that Envoy takes of a caller's headers (96 KiB), and of his certificate (100 KiB, which is 150 URL-encoded).
MAX_QUESTION_BYTES = 262_144
IN_PROGRESS_TARGET = IN_PROGRESS_PATH.encode()
# The parser ends at a method that it does not know, and Envoy passes on any token that came over HTTP/2. The gate shall
# refuse it, and record it: so the parser is shown another one.
_PARSED_METHODS = tuple(f"{method} ".encode() for method in METHODS)
_OTHER_METHOD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ")  # RFC 9110 §9.1, a token

Answer: TypeAlias = bytes | Awaitable[bytes]
Answerer: TypeAlias = Callable[[bytes, bytes, dict[bytes, bytes], bytes], Answer]
Recaller: TypeAlias = Callable[[bytes], bytes | None]
InProgressAnswerer: TypeAlias = Callable[[bytes], Answer]


class DecisionProtocol(asyncio.Protocol):
    """Parses one question at a time and writes what `answer(method, target, headers, bytes)` gives, at once or awaited.

    The bytes are what came with its beginning, perhaps more than itself; none where its end came later. What comes
    while no question is begun is shown to `recall` first: what that gives is the answer, and nothing is parsed.

    One about requests in progress has a body: `answer_in_progress(body)`. No other has one, nor may be taken for one of
    these: its 200 would be an allow.

    Anything that is not one well-formed question after another ends the connection: Envoy then refuses with 503.
    """

    __slots__ = (
        "_answer",
        "_answer_in_progress",
        "_begun",
        "_body",
        "_bytes",
        "_found",
        "_other_method",
        "_parser",
        "_pending",
        "_recall",
        "_size",
        "_target",
        "_transport",
    )

    def __init__(
        self,
        answer: Answerer,
        answer_in_progress: InProgressAnswerer | None = None,
        recall: Recaller | None = None,
    ) -> None:
        self._answer = answer
        self._recall = recall
        self._answer_in_progress = answer_in_progress
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._pending: asyncio.Future[bytes] | None = None
        self._target = b""
        self._found: dict[bytes, bytes] = {}
        self._body = self._bytes = b""
        self._other_method = b""  # in place of the one that the parser was shown
        self._size = 0
        self._begun = False  # a question, of which not all has come

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
        if not self._begun and self._recall is not None and self._pending is None and self._transport is not None:
            known = self._recall(data)
            if known is not None:
                self._transport.write(known)
                return
        self._bytes = b"" if self._begun else data
        if not self._begun and not data.startswith(_PARSED_METHODS):
            data = self._with_known_method(data)
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
        self._begun = True
        self._target = b""
        self._found = {}
        self._body = b""

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        earlier = self._found.get(name)
        # Two of one name stay visible as a list: whoever wants one value refuses the comma (SECURITY T14).
        self._found[name] = value if earlier is None else earlier + b"," + value

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self._begun = False
        self._size = 0
        if self._pending is not None or self._transport is None:
            self._end()  # a second question while the first waits: not Envoy
            return
        method, self._other_method = self._other_method or self._parser.get_method(), b""
        if self._target == IN_PROGRESS_TARGET and self._answer_in_progress is not None:
            answer = self._answer_in_progress(self._body)
        elif self._body:
            self._end()
            return
        else:
            answer = self._answer(method, self._target, self._found, self._bytes)
        if isinstance(answer, bytes):
            self._write(answer)
        else:
            self._pending = asyncio.ensure_future(answer)
            self._pending.add_done_callback(self._write_awaited)

    def _with_known_method(self, data: bytes) -> bytes:
        """A question's first bytes, its method replaced by one that is parsed. Envoy sends a question in one piece."""
        found = _OTHER_METHOD.match(data)
        if found is None:
            return data
        self._other_method = found[1]
        return _PARSED_METHODS[0] + data[found.end() :]

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
