"""The client's side of HTTP/1.1: which bytes are an answer. No network: the transport is a list."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.fake_clock import async_test

from authz_service.http_connection import LARGEST_HEAD, Answer, AnswerTooLarge, HttpConnection

LARGEST = 100
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nETag: x\r\n\r\nhi"


class Wire(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.aborted = False

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def abort(self) -> None:
        self.aborted = True


def connected() -> tuple[HttpConnection, Wire]:
    connection, wire = HttpConnection(), Wire()
    connection.connection_made(wire)
    return connection, wire


async def answer_of(*pieces: bytes, ends: bool = False) -> tuple[Answer, Wire]:
    connection, wire = connected()
    waiting = connection.ask(b"question", LARGEST)
    for piece in pieces:
        connection.data_received(piece)
    if ends:
        connection.connection_lost(None)
    assert waiting.done()
    return await waiting, wire


@async_test
async def test_an_answer_is_the_same_however_it_is_cut() -> None:
    whole, wire = await answer_of(GOOD)
    assert whole == Answer(200, {"content-length": "2", "etag": "x"}, b"hi")
    assert (wire.written, wire.aborted) == ([b"question"], False)

    for cut in range(1, len(GOOD)):
        assert (await answer_of(GOOD[:cut], GOOD[cut:]))[0] == whole
    assert (await answer_of(*(bytes([byte]) for byte in GOOD)))[0] == whole


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", 200, b"hi"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + GOOD, 200, b"hi"),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", 304, b""),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
    ],
)
@async_test
async def test_each_way_of_framing_ends_where_it_says(answer: bytes, status: int, body: bytes) -> None:
    found, wire = await answer_of(answer)
    assert (found.status, found.body, wire.aborted) == (status, body, False)
    assert "link" not in found.headers


@async_test
async def test_what_ends_with_its_connection_is_whole_only_when_that_ended_well() -> None:
    """RFC 9112 §6.3: only an answer that says nothing of its length."""
    assert (await answer_of(b"HTTP/1.0 200 OK\r\n\r\nhi", ends=True))[0].body == b"hi"

    for framed in (b"Content-Length: 3", b"Transfer-Encoding: chunked"):
        with pytest.raises(ConnectionError, match="peer closed"):
            await answer_of(b"HTTP/1.1 200 OK\r\n" + framed + b"\r\n\r\n2\r", ends=True)
    connection, _ = connected()
    waiting = connection.ask(b"question", LARGEST)
    connection.data_received(b"HTTP/1.0 200 OK\r\n\r\nhi")
    connection.connection_lost(ConnectionResetError("reset"))
    with pytest.raises(ConnectionResetError):
        await waiting


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\nhi\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * LARGEST_HEAD + b"\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 4000,
        b"SSH-2.0-OpenSSH_9\r\n",
    ],
)
@async_test
async def test_what_is_not_one_plain_answer_is_none(answer: bytes) -> None:
    """The good twin is above. The connection is not used again."""
    with pytest.raises(ConnectionError):
        await answer_of(answer)

    connection, wire = connected()
    waiting = connection.ask(b"question", LARGEST)
    connection.data_received(answer)
    assert waiting.exception() is not None
    assert wire.aborted


@async_test
async def test_a_body_is_heard_as_long_as_it_may_be() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
    assert len((await answer_of(head % LARGEST + b"x" * LARGEST))[0].body) == LARGEST
    with pytest.raises(AnswerTooLarge):
        await answer_of(head % (LARGEST + 1) + b"x" * (LARGEST + 1))


@pytest.mark.parametrize("more", [GOOD, b"HTTP/1.1 200 OK\r\n", b"x"])
@async_test
async def test_what_nobody_asked_for_ends_the_connection(more: bytes) -> None:
    """A second answer would be taken for that to the next question: in the same piece, and after it."""
    assert not (await answer_of(GOOD))[1].aborted
    assert (await answer_of(GOOD + more))[1].aborted

    connection, wire = connected()
    waiting = connection.ask(b"question", LARGEST)
    connection.data_received(GOOD)
    connection.data_received(more)
    assert (await waiting).body == b"hi"
    assert wire.aborted
    with pytest.raises(ConnectionError):
        await connection.ask(b"question", LARGEST)


@async_test
async def test_a_server_that_wants_no_more_questions_gets_none() -> None:
    assert (await answer_of(GOOD.replace(b"ETag: x", b"Connection: close")))[1].aborted


@settings(deadline=None)
@given(st.binary(max_size=200) | st.binary(max_size=60).map(lambda tail: GOOD[:-2] + tail))
def test_garbage_is_an_answer_or_an_error_and_never_more(noise: bytes) -> None:
    async def hear() -> None:
        connection, _ = connected()
        waiting = connection.ask(b"question", LARGEST)
        connection.data_received(noise)
        connection.connection_lost(None)
        assert waiting.done()
        waiting.exception()

    asyncio.run(hear())
