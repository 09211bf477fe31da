"""HTTP/1.1 between Envoy and a worker: whole questions are answered in order, everything else ends the connection."""

import asyncio
from collections.abc import Awaitable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.fake_transport import FakeTransport

from authz_service.ext_authz.http_protocol import MAX_QUESTION_BYTES, Answerer, DecisionProtocol

QUESTION = b"GET /check/orders HTTP/1.1\r\nhost: x.local\r\ncontent-length: 0\r\nauthorization: Bearer t\r\n\r\n"
YES, NO = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", b"HTTP/1.1 403 Refused\r\ncontent-length: 0\r\n\r\n"
Asked = tuple[bytes, bytes, dict[bytes, bytes]]


class Connection:
    """A protocol on a fake transport, and what its answerer was asked."""

    def __init__(self, answer: Answerer | None = None) -> None:
        self.asked: list[Asked] = []
        self.came_in: list[bytes] = []
        self.transport = FakeTransport()
        self.protocol = DecisionProtocol(answer or self._no)
        self.protocol.connection_made(self.transport)

    def _no(self, method: bytes, target: bytes, found: dict[bytes, bytes], came_in: bytes) -> bytes:
        self.came_in.append(came_in)
        self.asked.append((method, target, found))
        return NO

    def feed(self, *pieces: bytes) -> bytes:
        for piece in pieces:
            if not self.transport.ended:
                self.protocol.data_received(piece)
        return self.transport.written


def test_a_question_is_handed_over_and_answered() -> None:
    connection = Connection()

    assert connection.feed(QUESTION) == NO
    found = {b"host": b"x.local", b"content-length": b"0", b"authorization": b"Bearer t"}
    assert connection.asked == [(b"GET", b"/check/orders", found)]
    assert not connection.transport.ended


ABOUT_OTHERS = b"POST /in-progress HTTP/1.1\r\nhost: decision\r\ncontent-length: 4\r\n\r\nbody"


def test_a_question_about_requests_in_progress_is_not_one_about_a_new_one() -> None:
    """In one piece or several, between others."""
    connection = Connection()
    bodies: list[bytes] = []

    def answer(body: bytes) -> bytes:
        bodies.append(body)
        return YES

    connection.protocol = DecisionProtocol(connection._no, answer)
    connection.protocol.connection_made(connection.transport)
    assert connection.feed(QUESTION, ABOUT_OTHERS[:-2], ABOUT_OTHERS[-2:], QUESTION) == NO + YES + NO
    assert bodies == [b"body"]
    assert len(connection.asked) == 2


@pytest.mark.parametrize("path", [b"/check-12345678/in-progress", b"/in-progress?x", b"/in-progress/", b"/"])
def test_a_new_request_with_a_body_is_never_answered(path: bytes) -> None:
    """The 200 that means "nobody is to be ended" would let it in."""
    connection = Connection()
    connection.protocol = DecisionProtocol(connection._no, lambda _: YES)
    connection.protocol.connection_made(connection.transport)
    assert connection.feed(ABOUT_OTHERS.replace(b"/in-progress", path)) == b""
    assert connection.transport.ended
    assert connection.asked == []


@given(st.lists(st.integers(0, 3 * len(QUESTION))))
def test_pieces_and_pipelines_change_nothing(cuts: list[int]) -> None:
    """Three questions, cut anywhere, are three answers, each to its own question."""
    stream = QUESTION + QUESTION.replace(b"/orders", b"/payments") + QUESTION
    edges = [0, *sorted(cuts), len(stream)]
    connection = Connection()

    assert connection.feed(*(stream[start:end] for start, end in pairwise(edges))) == 3 * NO
    assert [target for _, target, _ in connection.asked] == [b"/check/orders", b"/check/payments", b"/check/orders"]


@pytest.mark.parametrize(
    "method",
    [b"BREW", b"PRI", b"CONNECT", b"DESCRIBE", b"PROPFIND", b"get", b"GETX", b"X", b"!#$%&'*+.^_`|~", b"a" * 900],
)
def test_whatever_the_method_the_question_is_asked(method: bytes) -> None:
    """The gate refuses it and records it; a parser's error would be a 503 without a record. The next one is itself."""
    connection = Connection()

    assert connection.feed(QUESTION.replace(b"GET", method), QUESTION) == 2 * NO
    assert [asked for asked, *_ in connection.asked] == [method, b"GET"]
    assert connection.asked[0][1:] == connection.asked[1][1:]


@pytest.mark.parametrize("method", [b"", b" ", b"G(T", b"GE\x00T", b"G\xc3\x89T", b"GET\r\nX"])
def test_what_is_no_method_is_no_question(method: bytes) -> None:
    """The no of the test above: no token of RFC 9110 §5.6.2."""
    connection = Connection()

    assert connection.feed(QUESTION.replace(b"GET", method)) == b""
    assert connection.transport.ended == "closed"


def test_two_headers_of_one_name_are_seen_as_two() -> None:
    """Whatever their case; who wants one value refuses the comma (SECURITY T14)."""
    connection = Connection()
    connection.feed(QUESTION.replace(b"\r\n\r\n", b"\r\nAuthorization: Bearer u\r\nX-A:\r\nx-a: b\r\n\r\n"))

    assert connection.asked[0][2][b"authorization"] == b"Bearer t,Bearer u"
    assert connection.asked[0][2][b"x-a"] == b",b"


def test_nothing_of_one_question_stays_for_the_next() -> None:
    """A header that the next question does not have is not there."""
    connection = Connection()
    connection.feed(QUESTION, b"GET /check/ HTTP/1.1\r\nhost: y.local\r\n\r\n")

    assert connection.asked[1] == (b"GET", b"/check/", {b"host": b"y.local"})


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"BREW /check/ HTTP/1.1\r\n\r\n",
        b"GET /check/ HTTP/1.1\r\nhost : x\r\n\r\n",
        b"GET /check/ HTTP/1.1\r\nhost: x\r\n folded\r\n\r\n",
        b"GET /check/ HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"POST /check/ HTTP/1.1\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n",
        b"GET /check/\xff HTTP/1.1\r\n\r\n",
        b"GET /check/ HTTP/1.1\r\nx: \x00\r\n\r\n",
    ],
)
def test_what_is_not_http_ends_the_connection(garbage: bytes) -> None:
    """What was answered before stays answered; nothing after it is."""
    connection = Connection()

    assert connection.feed(QUESTION + garbage + QUESTION, QUESTION) == NO
    assert connection.transport.ended == "closed"
    connection.protocol.data_received(QUESTION)
    assert connection.transport.written == NO


def test_a_change_of_protocol_ends_the_connection() -> None:
    connection = Connection()

    assert connection.feed(QUESTION.replace(b"\r\n\r\n", b"\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n")) == NO
    assert connection.transport.ended == "closed"


def test_a_question_without_an_end_is_not_kept() -> None:
    """Envoy's own limit is lower. The same size in several questions is fine."""
    connection, patient = Connection(), Connection()
    header = b"x: " + b"a" * 1000 + b"\r\n"

    connection.feed(b"GET /check/ HTTP/1.1\r\n", *[header] * (MAX_QUESTION_BYTES // 1000))
    many = MAX_QUESTION_BYTES // len(QUESTION) + 1
    assert patient.feed(*[QUESTION] * many) == NO * many

    assert connection.transport.ended == "closed"
    assert connection.transport.written == b""
    assert not patient.transport.ended


def test_an_answerer_that_fails_ends_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    """No bytes at all: Envoy asks another worker, or refuses. The log has the traceback."""

    def fail(*_: object) -> bytes:
        raise ZeroDivisionError("ours")

    connection = Connection(fail)

    assert connection.feed(QUESTION + QUESTION) == b""
    assert connection.transport.ended == "closed"
    assert [record.getMessage() for record in caplog.records] == ["question_failed"]
    assert "ZeroDivisionError: ours" in caplog.text


def test_who_asks_and_does_not_listen_is_cut_off() -> None:
    """Answers would pile up in our memory."""
    connection = Connection()
    connection.transport.on_write = connection.protocol.pause_writing

    assert connection.feed(QUESTION + QUESTION) == NO
    assert connection.transport.ended == "aborted"
    connection.protocol.pause_writing()
    connection.protocol.data_received(QUESTION)
    assert len(connection.asked) == 1


def test_who_has_gone_is_not_written_to() -> None:
    connection = Connection()
    connection.feed(QUESTION)
    connection.protocol.connection_lost(None)
    connection.protocol.data_received(QUESTION)

    assert connection.transport.written == NO


class TestLateAnswers:
    """Some questions wait for a key; the connection waits with them."""

    class Late:
        """Answers when told to."""

        def __init__(self) -> None:
            self.connection = Connection(lambda *_: self._answer())
            self.ready = asyncio.Event()
            self.answer = YES
            self.asked = 0

        async def _answer(self) -> bytes:
            self.asked += 1
            await self.ready.wait()
            if not self.answer:
                raise ZeroDivisionError("ours")
            return self.answer

        async def finish(self, answer: bytes) -> bytes:
            self.answer = answer
            self.ready.set()
            await _turns()
            return self.connection.transport.written

    def test_the_answer_is_written_when_it_is_there(self) -> None:
        async def play() -> None:
            late = self.Late()
            assert late.connection.feed(QUESTION) == b""
            await _turns()
            assert late.connection.transport.written == b""

            assert await late.finish(YES) == YES
            assert late.connection.feed(QUESTION) == YES
            await _turns()
            assert late.connection.transport.written == 2 * YES

        asyncio.run(play())

    @pytest.mark.parametrize("pieces", [(QUESTION + QUESTION,), (QUESTION, QUESTION)])
    def test_a_question_in_the_meantime_is_not_envoys(self, pieces: tuple[bytes, ...]) -> None:
        """One at a time. The connection ends, the first answer is not written any more, the second not asked for."""

        async def play() -> None:
            late = self.Late()
            late.connection.feed(*pieces)
            await _turns()

            assert late.connection.transport.ended == "closed"
            assert await late.finish(YES) == b""
            assert late.asked == 1

        asyncio.run(play())

    def test_a_question_may_begin_in_the_meantime(self) -> None:
        async def play() -> None:
            late = self.Late()
            late.connection.feed(QUESTION, QUESTION[:9])
            assert await late.finish(NO) == NO

            late.connection.feed(QUESTION[9:])
            await _turns()
            assert late.connection.transport.written == 2 * NO

        asyncio.run(play())

    def test_nobody_waits_for_who_has_gone(self) -> None:
        """Even when the answer had not begun to be made."""

        async def play(turns: int) -> None:
            late = self.Late()
            late.connection.feed(QUESTION)
            await _turns(turns)
            late.connection.protocol.connection_lost(None)
            await _turns()

            assert len(asyncio.all_tasks()) == 1
            assert late.connection.transport.written == b""

        for turns in (0, 3):
            asyncio.run(play(turns))

    def test_a_late_answer_that_fails_ends_the_connection(self, caplog: pytest.LogCaptureFixture) -> None:
        async def play() -> None:
            late = self.Late()
            late.connection.feed(QUESTION)

            assert await late.finish(b"") == b""
            assert late.connection.transport.ended == "closed"

        asyncio.run(play())
        assert "ZeroDivisionError: ours" in caplog.text


async def _turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


requests = st.builds(
    lambda method, target, lines, body: b" ".join((method, target, b"HTTP/1.1\r\n")) + b"".join(lines) + b"\r\n" + body,
    st.sampled_from([b"GET", b"POST", b"HEAD", b"CONNECT", b"PRI"]) | st.binary(max_size=5),
    st.binary(max_size=20).map(lambda raw: b"/check/" + raw) | st.just(b"/check/orders"),
    st.lists(
        st.sampled_from([b"host: x\r\n", b"content-length: 0\r\n", b"content-length: 5\r\n", b"upgrade: h2c\r\n",
                         b"connection: close\r\n", b"transfer-encoding: chunked\r\n", b"expect: 100-continue\r\n"])
        | st.binary(max_size=30).map(lambda raw: raw + b"\r\n")
    ),
    st.binary(max_size=20),
)  # fmt: skip


@given(
    st.lists(st.binary(max_size=60) | requests | st.just(QUESTION), max_size=8),
    st.lists(st.integers(0, 400), max_size=8),
)
def test_whatever_bytes_arrive_nothing_is_raised_and_no_yes_is_made_up(pieces: list[bytes], cuts: list[int]) -> None:
    """What is written are the answerer's own answers, one for each question that it was asked, and nothing else."""
    asked = 0

    def answer(method: bytes, target: bytes, found: dict[bytes, bytes], _: bytes) -> bytes | Awaitable[bytes]:
        nonlocal asked
        assert all(name == name.lower() for name in found)
        asked += 1
        return YES if target == b"/check/orders" and method == b"GET" else NO

    connection = Connection(answer)
    stream = b"".join(pieces)
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    written = connection.feed(*(stream[start:end] for start, end in pairwise(edges)))

    answers = written.replace(YES, b"y").replace(NO, b"n")
    assert not answers.strip(b"yn")
    assert len(answers) == asked
    assert answers.count(b"y") <= stream.count(b"GET /check/orders")
