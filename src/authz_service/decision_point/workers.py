"""Asks the decision workers on their Unix sockets as our own Envoy does: one, then the standby, then one anew.

No answer of theirs is made up here: without one it is `unavailable`, which is a refusal.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from itertools import cycle
from typing import cast

from authz_service.decision_point.answered import Answered, read_answer, unavailable
from authz_service.decision_point.asked import Question

log = logging.getLogger(__name__)

_CONNECT = 0.25  # seconds
_MOST_IDLE = 64  # connections kept to each worker
_LONGEST_ANSWER = 131_072  # bytes


class Workers:
    """One per revision of the rules that names other sockets."""

    def __init__(self, paths: tuple[str, ...], attempt: float) -> None:
        self._attempt = attempt
        ways = [_Way(path) for path in paths]
        self._asked = cycle(ways[:-1] or ways)
        self._standby = ways[-1]
        self._ways = ways

    async def ask(self, question: Question) -> Answered:
        """The first answer of three tries; `unavailable` without one."""
        for way in (next(self._asked), self._standby, next(self._asked)):
            try:
                async with asyncio.timeout(self._attempt):
                    return await way.ask(question)
            except (OSError, EOFError, TimeoutError):
                continue
            except ValueError:
                log.exception("worker_answer_unreadable")
                break
        return unavailable(question.correlation_id)

    def close(self) -> None:
        for way in self._ways:
            way.close()


class _Way:
    """To one worker: connections that wait for a question, the last used one first."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._idle: deque[_Connection] = deque()
        self._is_closed = False

    async def ask(self, question: Question) -> Answered:
        """Raises OSError, EOFError or ValueError; a connection that was asked and did not answer is not used again."""
        connection = self._take() or await self._connect()
        try:
            answered = await connection.ask(question)
        except BaseException:
            connection.abort()
            raise
        if len(self._idle) < _MOST_IDLE and not self._is_closed:
            self._idle.append(connection)
        else:
            connection.abort()
        return answered

    def close(self) -> None:
        """What is being asked is answered still."""
        self._is_closed = True
        while self._idle:
            self._idle.pop().abort()

    def _take(self) -> _Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                return connection
        return None

    async def _connect(self) -> _Connection:
        async with asyncio.timeout(_CONNECT):
            _, connection = await asyncio.get_running_loop().create_unix_connection(_Connection, self._path)
        return connection


class _Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[Answered] | None = None
        self._received = b""
        self._is_head = False

    @property
    def is_open(self) -> bool:
        return self._transport is not None

    def ask(self, question: Question) -> asyncio.Future[Answered]:
        assert self._transport is not None
        self._received, self._is_head = b"", question.is_head
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(question.text)
        return self._waiting

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._transport = None
        self._fail(EOFError("the worker hung up"))

    def data_received(self, data: bytes) -> None:
        self._received += data
        try:
            answered = self._read()
        except ValueError as error:
            self.abort()
            self._fail(error)
            return
        if answered is not None and self._waiting is not None:
            if not self._waiting.done():
                self._waiting.set_result(answered)
            self._waiting = None

    def _read(self) -> Answered | None:
        if self._waiting is None or len(self._received) > _LONGEST_ANSWER:
            raise ValueError("more than an answer")
        return read_answer(self._received, is_head=self._is_head)

    def _fail(self, error: Exception) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(error)
        self._waiting = None
