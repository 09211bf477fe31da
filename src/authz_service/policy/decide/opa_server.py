"""Verdicts of a real OPA beside the sidecar (`policy.engine: opa_server`). Not the waiting: `evaluate` never does.

The gate asks, and hears NotReady; the worker has it fetched, and the gate asks again. The input document carries
the decision's id, so an answer belongs to one decision, and is used up by it.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from collections.abc import Set as AbstractSet
from http import HTTPStatus
from typing import cast

import httptools
import msgspec

from authz_rego.values.json_text import from_json, to_json
from authz_rego.values.value import Value
from authz_service.domain import questions
from authz_service.domain.bounded import Bounded
from authz_service.domain.decision import Verdict
from authz_service.domain.refusals import Reason
from authz_service.domain.rules import PolicyServer
from authz_service.policy.decide.answers import read_answer
from authz_service.policy.decide.reads import Reads

_MAX_ANSWER_BYTES = 256 << 10
_MAX_CONNECTIONS = 64  # what comes then waits, within its timeout
_MAX_UNUSED = 256  # verdicts on decisions that were made without them: who waits for one uses it at once
_UNDEFINED = Verdict(Reason.POLICY_UNDEFINED, (), None)
# `msgspec.Raw` is not looked into: what is no UTF-8 is found when it is read.
_UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)


Dial = Callable[[PolicyServer], Awaitable[socket.socket]]


class _Body(msgspec.Struct):
    """OPA's answer; other members (`decision_id`, `warning`) are its own. Undefined is no `result` at all."""

    result: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    errors: list[msgspec.Raw] = []


_bodies = msgspec.json.Decoder(_Body)


class OpaServer:
    """One query to one OPA. Made inside the event loop that uses it."""

    reads: Reads = None  # its policies may read anything: the whole document is sent

    def __init__(self, rules: PolicyServer, connect: Dial | None = None) -> None:
        """`connect`: whoever may open connections (`walls`); by default we do."""
        self._rules = rules
        self._connect = connect or dial
        path = "/v1/" + rules.query.replace(".", "/")
        self._head = (
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        ).encode("ascii")
        self._may_set = frozenset(name.lower() for name in rules.headers)
        self._fetched: Bounded[str, Verdict] = Bounded(_MAX_UNUSED)
        self._idle: list[_Connection] = []
        self._free = asyncio.Semaphore(_MAX_CONNECTIONS)

    def evaluate(self, document: Value) -> Verdict:
        """The answer that was fetched, once. Raises NotReady."""
        input_json = to_json(document)
        verdict = self._fetched.pop(input_json, None)
        if verdict is None:
            raise questions.NotReady(questions.Verdict(input_json))
        return verdict

    async def fetch(self, input_json: str) -> None:
        """After this `evaluate` has a verdict for the document; whatever goes wrong is a refusal."""
        verdict = await self._ask(input_json)
        self._fetched[input_json] = verdict

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    async def _ask(self, input_json: str) -> Verdict:
        body = b'{"input":' + input_json.encode() + b"}"
        question = self._head % len(body) + body
        try:
            async with asyncio.timeout(self._rules.timeout), self._free:
                status, answer = await self._exchange(question)
        except TimeoutError:
            return _unavailable(f"OPA gave no answer within {self._rules.timeout * 1000:.0f} ms")
        except OSError as error:
            return _unavailable(f"OPA cannot be asked: {str(error) or type(error).__name__}")
        return verdict_of(status, answer, self._may_set)

    async def _exchange(self, question: bytes) -> tuple[int, bytes]:
        """A question changes nothing in OPA, so one that met a connection's end is asked again, on a new one."""
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                try:
                    return await self._on(connection, question)
                except ConnectionError:
                    break
        return await self._on(await _on_socket(await self._connect(self._rules)), question)

    async def _on(self, connection: _Connection, question: bytes) -> tuple[int, bytes]:
        try:
            answer = await connection.ask(question)
        except BaseException:
            connection.close()  # an answer that comes now would be taken for the next one's
            raise
        if connection.usable:
            self._idle.append(connection)
        return answer


async def health_problem(rules: PolicyServer, patience: float) -> str:
    """Why OPA is not ready to be asked (its own word, bundles included); empty when it is.

    Not within `rules.timeout`: that is for one decision of a worker, and whoever looks after OPA has other work too.
    """
    question = b"GET /health?bundles HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    try:
        async with asyncio.timeout(patience):
            connection = await _on_socket(await dial(rules))
            try:
                status, _ = await connection.ask(question)
            finally:
                connection.close()
    except TimeoutError:
        return f"no answer within {patience:g} s"
    except OSError as error:
        return str(error) or type(error).__name__
    return "" if status == HTTPStatus.OK else f"it answers with status {status}: its bundles are not there yet"


async def dial(rules: PolicyServer) -> socket.socket:
    """A connection to it. Raises OSError."""
    loop = asyncio.get_running_loop()
    if rules.socket:
        return await _connected(socket.AF_UNIX, rules.socket)
    (family, _, _, _, address), *_ = await loop.getaddrinfo(rules.host, rules.port, type=socket.SOCK_STREAM)
    return await _connected(family, address)


async def _connected(family: int, address: str | tuple[object, ...]) -> socket.socket:
    end = socket.socket(family, socket.SOCK_STREAM)
    try:
        end.setblocking(False)
        await asyncio.get_running_loop().sock_connect(end, address)
    except BaseException:
        end.close()
        raise
    return end


async def _on_socket(end: socket.socket) -> _Connection:
    loop = asyncio.get_running_loop()
    create = loop.create_unix_connection if end.family == socket.AF_UNIX else loop.create_connection
    _, connection = await create(_Connection, sock=end)
    return connection


def verdict_of(status: int, body: bytes, may_set: AbstractSet[str] = frozenset()) -> Verdict:
    """What OPA's answer means. Only a whole answer with a plain yes allows. `may_set`: as for `read_answer`."""
    try:
        found = _bodies.decode(body)
    except _UNREADABLE:
        return _unavailable(f"OPA's answer with status {status} is not OPA's")
    if status == HTTPStatus.INTERNAL_SERVER_ERROR and found.errors:
        return Verdict(Reason.POLICY_ERROR, ("policy error",), None)  # the evaluation failed, OPA did not
    if status != HTTPStatus.OK:
        return _unavailable(f"OPA answers with status {status}")
    if found.result is msgspec.UNSET:
        return _UNDEFINED
    try:
        return read_answer(from_json(bytes(found.result)), may_set)
    except _UNREADABLE:
        return Verdict(Reason.POLICY_ERROR, ("policy error",), None)


def _unavailable(why: str) -> Verdict:
    return Verdict(Reason.POLICY_UNAVAILABLE, (why,), None)


class _Connection(asyncio.Protocol):
    """One question after another."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[tuple[int, bytes]] | None = None

    @property
    def usable(self) -> bool:
        return self._transport is not None and self._waiting is None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own is no subclass

    def ask(self, question: bytes) -> asyncio.Future[tuple[int, bytes]]:
        self._waiting = waiting = asyncio.get_running_loop().create_future()
        self._parser = httptools.HttpResponseParser(self)
        self._body = bytearray()
        if self._transport is None:
            self._fail(ConnectionError("the connection is closed"))
        else:
            self._transport.write(question)
        return waiting

    def data_received(self, data: bytes) -> None:
        if self._waiting is None:
            self.close()  # nobody asked
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(ConnectionError(f"not an HTTP answer ({type(error).__name__})"))

    def on_body(self, piece: bytes) -> None:
        self._body += piece
        if len(self._body) > _MAX_ANSWER_BYTES:
            self._fail(ConnectionError(f"an answer of more than {_MAX_ANSWER_BYTES} bytes"))

    def on_message_complete(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_result((self._parser.get_status_code(), bytes(self._body)))
        if not self._parser.should_keep_alive():
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(exc if isinstance(exc, OSError) else ConnectionError("OPA closed the connection"))

    def close(self) -> None:
        self._waiting = None
        if self._transport is not None:
            self._transport.abort()
        self._transport = None

    def _fail(self, error: Exception) -> None:
        waiting = self._waiting
        self.close()
        if waiting is not None and not waiting.done():
            waiting.set_exception(error)
