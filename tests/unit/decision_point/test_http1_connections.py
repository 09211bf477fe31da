"""Connections of askers, byte by byte: one question after another, from who may ask, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

import h2.config
import h2.connection
import h2.events
import pytest
from tests.support.fake_transport import FakeTransport

from authz_service.decision_point import ext_authz_grpc, http1, http2
from authz_service.decision_point.http1 import HttpConnection
from authz_service.decision_point.http2 import GrpcConnection
from authz_service.decision_point.http_messages import HttpRequest, http_answer

GET = b"GET /orders HTTP/1.1\r\nhost: x\r\nx-a: 1\r\n\r\n"
CHECK = ext_authz_grpc.METHOD.decode()


class Http:
    """One connection, and what was asked on it."""

    def __init__(self, *, welcome: bool = True, fails: bool = False) -> None:
        self.asked: list[HttpRequest] = []
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.transport = FakeTransport()
        self.connections: set[asyncio.Protocol] = set()

        async def answer(request: HttpRequest, last: bool) -> bytes:
            self.asked.append(request)
            await self.go_on.wait()
            if fails:
                raise RuntimeError("broken")
            return http_answer(200, (), b"yes", last=last)

        self.connection = HttpConnection(answer, lambda _: welcome, self.connections.add, self.connections.discard)
        self.connection.connection_made(self.transport)

    async def send(self, data: bytes) -> bytes:
        """What came back."""
        before = len(self.transport.written)
        self.connection.data_received(data)
        await turns()
        return self.transport.written[before:]


async def turns() -> None:
    for _ in range(6):
        await asyncio.sleep(0)


def play(part: Coroutine[None, None, None]) -> None:
    asyncio.run(part)


def test_one_question_after_another_is_answered() -> None:
    """Also in pieces, and with a body, which nobody reads."""

    async def part() -> None:
        http = Http()
        assert (await http.send(GET)).endswith(b"yes")
        assert await http.send(GET[:9]) == b""
        assert (await http.send(GET[9:])).endswith(b"yes")
        assert (await http.send(b"POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc")).endswith(b"yes")
        assert [request.body for request in http.asked] == [b"", b"", b"abc"]
        assert http.transport.ended == ""
        assert http.connections == {http.connection}
        http.connection.connection_lost(None)
        assert http.connections == set()

    play(part())


def test_two_headers_of_one_name_are_known_as_two() -> None:
    async def part() -> None:
        http = Http()
        await http.send(b"GET / HTTP/1.1\r\nX-A: 1\r\nx-a: 2\r\nx-b: 3\r\n\r\n")
        assert (http.asked[0].found[b"x-a"], http.asked[0].repeated) == (b"1,2", frozenset({b"x-a"}))
        assert http.asked[0].one("x-b") == b"3"
        with pytest.raises(ValueError, match="twice"):
            http.asked[0].one("x-a")
        http.connection.retire()

    play(part())


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nx : 1\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nx: " + b"a" * http1.MOST_BYTES + b"\r\n\r\n", b"431"),
        (b"POST / HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n", b"400"),
    ],
    ids=["nonsense", "space", "long", "smuggling"],
)
def test_what_is_no_request_is_not_asked(data: bytes, status: bytes) -> None:
    """And ends the connection."""

    async def part() -> None:
        http = Http()
        assert (await http.send(data)).startswith(b"HTTP/1.1 " + status)
        assert (http.asked, http.transport.ended) == ([], "closed")
        assert await http.send(GET) == b""

    play(part())


def test_a_question_while_another_is_being_answered_ends_the_connection() -> None:
    """No proxy does that: whose answer would be whose?"""

    async def part() -> None:
        http = Http()
        http.go_on.clear()
        await http.send(GET)
        assert await http.send(GET) == b""
        assert http.transport.ended == "closed"
        http.go_on.set()
        await turns()
        assert (len(http.asked), http.transport.written) == (1, b"")

    play(part())


def test_who_may_not_ask_is_not_asked_about() -> None:
    async def part() -> None:
        http = Http(welcome=False)
        assert (await http.send(GET)).startswith(b"HTTP/1.1 403")
        assert (http.asked, http.transport.ended) == ([], "closed")

    play(part())


def test_a_defect_is_no_allow() -> None:
    async def part() -> None:
        http = Http(fails=True)
        assert (await http.send(GET)).startswith(b"HTTP/1.1 500")
        assert http.transport.ended == "closed"

    play(part())


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET / HTTP/1.1\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
    ],
)
def test_a_last_question_is_answered_before_the_end(data: bytes) -> None:
    """A proxy may hand on a client's upgrade: that goes to the service, if at all."""

    async def part() -> None:
        http = Http()
        assert (await http.send(data)).endswith(b"yes")
        assert http.transport.ended == "closed"

    play(part())


def test_a_retired_connection_ends_after_its_question() -> None:
    """Idle ones at once."""

    async def part() -> None:
        idle, busy = Http(), Http()
        busy.go_on.clear()
        await busy.send(GET)
        for each in (idle, busy):
            each.connection.retire()
        assert (idle.transport.ended, busy.transport.ended) == ("closed", "")
        busy.go_on.set()
        await turns()
        assert (busy.transport.written.endswith(b"yes"), busy.transport.ended) == (True, "closed")

    play(part())


def test_who_does_not_listen_is_hung_up_on() -> None:
    async def part() -> None:
        http, grpc = Http(), Grpc()
        http.connection.pause_writing()
        grpc.connection.pause_writing()
        assert (http.transport.ended, grpc.transport.ended) == ("aborted", "aborted")

    play(part())


class Grpc:
    """A client of one connection."""

    def __init__(self, *, welcome: bool = True, fails: bool = False, size: int = 3) -> None:
        self.asked: list[bytes] = []
        self.transport = FakeTransport()

        async def answer(message: bytes) -> bytes:
            self.asked.append(message)
            await asyncio.sleep(0)
            if fails:
                raise RuntimeError("broken")
            return b"y" * size

        self.connection = GrpcConnection(
            {ext_authz_grpc.METHOD: answer}, lambda _: welcome, lambda _: None, lambda _: None
        )
        self.connection.connection_made(self.transport)
        self.client = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.client.initiate_connection()
        self.got: dict[int, bytes] = {}
        self.status: dict[int, str] = {}
        self._read = 0

    async def call(self, message: bytes, path: str = CHECK, *, raw: bool = False) -> int:
        stream = self.client.get_next_available_stream_id()
        fields = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "x", "te": "trailers"}
        self.client.send_headers(stream, list(fields.items()))
        data = message if raw else b"\0" + len(message).to_bytes(4, "big") + message
        while data and stream not in self.status:
            room = min(self.client.local_flow_control_window(stream), 16_384)
            self.client.send_data(stream, data[:room])
            data = data[room:]
            await self.exchange()
        if stream not in self.status:
            self.client.end_stream(stream)
        await self.exchange()
        return stream

    async def exchange(self) -> None:
        for _ in range(6):
            self.connection.data_received(self.client.data_to_send())
            await turns()
            received, self._read = self.transport.written[self._read :], len(self.transport.written)
            for event in self.client.receive_data(received):
                self._hear(event)

    def _hear(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.DataReceived):
            assert event.stream_id is not None
            self.got[event.stream_id] = self.got.get(event.stream_id, b"") + (event.data or b"")
            self.client.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id)
        if isinstance(event, h2.events.ResponseReceived | h2.events.TrailersReceived):
            fields = {str(name): str(value) for name, value in event.headers or ()}
            if "grpc-status" in fields:
                assert event.stream_id is not None
                self.status[event.stream_id] = fields["grpc-status"]


def test_calls_over_grpc_are_answered() -> None:
    """Several on one connection; also an answer that is larger than the client's window."""

    async def part() -> None:
        grpc = Grpc(size=100_000)
        streams = [await grpc.call(b"abc"), await grpc.call(b"")]
        for _ in range(4):
            await grpc.exchange()
        assert grpc.asked == [b"abc", b""]
        assert [grpc.status[stream] for stream in streams] == ["0", "0"]
        assert [len(grpc.got[stream]) for stream in streams] == [100_005, 100_005]

    play(part())


@pytest.mark.parametrize(
    ("message", "path", "code"),
    [
        (b"\0\0\0\0\x05abc", CHECK, "3"),
        (b"\x01\0\0\0\x03abc", CHECK, "3"),
        (b"", CHECK, "3"),
        (b"\0\0\0\0\0\0", CHECK, "3"),
        (b"\0\0\0\0\0", "/x.Y/Z", "12"),
        (b"\0" * (http2.MOST_BYTES + 1), CHECK, "8"),
    ],
    ids=["cut", "compressed", "empty", "rest", "method", "long"],
)
def test_a_call_that_is_none_is_told_so(message: bytes, path: str, code: str) -> None:
    async def part() -> None:
        grpc = Grpc()
        stream = await grpc.call(message, path, raw=True)
        assert (grpc.asked, grpc.status[stream]) == ([], code)

    play(part())


def test_who_may_not_ask_over_grpc_is_not_asked_about() -> None:
    """UNAUTHENTICATED, and the connection ends."""

    async def part() -> None:
        grpc = Grpc(welcome=False)
        stream = await grpc.call(b"abc")
        assert (grpc.asked, grpc.status[stream], grpc.transport.ended) == ([], "16", "closed")

    play(part())


def test_a_defect_over_grpc_is_no_allow() -> None:
    async def part() -> None:
        grpc = Grpc(fails=True)
        stream = await grpc.call(b"abc")
        assert (grpc.status[stream], grpc.got) == ("13", {})

    play(part())


def test_what_is_no_http2_ends_the_connection() -> None:
    async def part() -> None:
        grpc = Grpc()
        grpc.connection.data_received(GET)
        assert (grpc.asked, grpc.transport.ended) == ([], "closed")

    play(part())


def test_a_retired_connection_over_grpc_ends() -> None:
    async def part() -> None:
        grpc = Grpc()
        await grpc.call(b"abc")
        grpc.connection.retire()
        assert grpc.transport.ended == "closed"

    play(part())
