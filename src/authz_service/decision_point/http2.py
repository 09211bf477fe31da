"""gRPC over HTTP/2 for whoever asks us: unary calls. Not what a message means."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import NamedTuple, cast

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings

log = logging.getLogger(__name__)

MOST_BYTES = 1 << 20  # of one message: Envoy may send the request's body along
_MOST_STREAMS = 256
_MOST_HEADERS = 65_536  # bytes
_IDLE = 300.0  # seconds
_PREFIX = 5  # bytes before a message: whether it is compressed, its length (gRPC over HTTP/2)
# google.rpc.Code
_OK, _INVALID, _DENIED, _EXHAUSTED, _UNIMPLEMENTED, _INTERNAL, _UNAUTHENTICATED = 0, 3, 7, 8, 12, 13, 16

Answerer = Callable[[bytes], Awaitable[bytes]]
Welcome = Callable[[asyncio.BaseTransport], bool]


class _Call(NamedTuple):
    method: bytes
    message: bytearray


class GrpcConnection(asyncio.Protocol):
    """`answers`: what to do for which method. Whatever is wrong is a status that allows nothing."""

    def __init__(
        self,
        answers: Mapping[bytes, Answerer],
        is_welcome: Welcome,
        on_begin: Callable[[GrpcConnection], None],
        on_end: Callable[[GrpcConnection], None],
    ) -> None:
        self._answers = answers
        self._is_welcome = is_welcome
        self._on_begin, self._on_end = on_begin, on_end  # behind the handshake; each begun one ends
        config = h2.config.H2Configuration(client_side=False, header_encoding=None)
        self._h2 = h2.connection.H2Connection(config)
        self._h2.local_settings = h2.settings.Settings(
            client=False,
            initial_values={
                h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: _MOST_STREAMS,
                h2.settings.SettingCodes.MAX_HEADER_LIST_SIZE: _MOST_HEADERS,
            },
        )
        self._transport: asyncio.Transport | None = None
        self._calls: dict[int, _Call] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._held: dict[int, bytes] = {}  # answers that wait for room
        self._timer: asyncio.TimerHandle | None = None
        self._retired = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._on_begin(self)
        self._h2.initiate_connection()
        self._flush()
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._transport = None
        for task in self._tasks.values():
            task.cancel()
        if self._timer is not None:
            self._timer.cancel()
        self._on_end(self)

    def data_received(self, data: bytes) -> None:
        self._wait()
        try:
            for event in self._h2.receive_data(data):
                self._hear(event)
        except h2.exceptions.ProtocolError:
            self._flush()
            self._close()
            return
        self._flush()

    def pause_writing(self) -> None:
        if self._transport is not None:
            self._transport.abort()  # it asks and does not listen
        self._transport = None

    def retire(self) -> None:
        """No further question on this connection: what proved who asks has changed."""
        if not self._retired and self._transport is not None:
            self._retired = True
            self._close_if_over()

    def _hear(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.RequestReceived(stream_id=int(stream), headers=list(lines)):
                fields = dict(lines)
                self._calls[stream] = _Call(fields.get(b":path", b""), bytearray())
            case h2.events.DataReceived(stream_id=int(stream), data=bytes(data)):
                self._h2.acknowledge_received_data(event.flow_controlled_length or 0, stream)
                self._more(stream, data)
            case h2.events.StreamEnded(stream_id=int(stream)):
                self._begin(stream)
            case h2.events.StreamReset(stream_id=int(stream)):
                self._calls.pop(stream, None)
                self._held.pop(stream, None)
                if stream in self._tasks:
                    self._tasks[stream].cancel()
            case h2.events.WindowUpdated():
                self._send_held()
            case h2.events.ConnectionTerminated():
                self._retired = True
                self._close_if_over()
            case _:
                pass

    def _more(self, stream: int, data: bytes) -> None:
        call = self._calls.get(stream)
        if call is None:
            return
        call.message.extend(data)
        if len(call.message) > MOST_BYTES:
            del self._calls[stream]
            self._fail(stream, _EXHAUSTED)

    def _begin(self, stream: int) -> None:
        call = self._calls.pop(stream, None)
        if call is None or self._transport is None:
            return
        answer = self._answers.get(call.method)
        message = bytes(call.message)
        if not self._is_welcome(self._transport):
            self._fail(stream, _UNAUTHENTICATED)
            self._retired = True
            self._close_if_over()
        elif answer is None:
            self._fail(stream, _UNIMPLEMENTED)
        elif message[:1] != b"\0" or len(message) < _PREFIX or int.from_bytes(message[1:5], "big") != len(message) - 5:
            self._fail(stream, _INVALID)
        else:
            self._tasks[stream] = asyncio.ensure_future(self._answer(stream, answer, message[_PREFIX:]))

    async def _answer(self, stream: int, answer: Answerer, message: bytes) -> None:
        try:
            body = await answer(message)
        except Exception:
            log.exception("question_failed")
            self._over(stream)
            self._fail(stream, _INTERNAL)
        else:
            self._over(stream)
            self._succeed(stream, b"\0" + len(body).to_bytes(4, "big") + body)
        self._flush()
        self._close_if_over()

    def _over(self, stream: int) -> None:
        self._tasks.pop(stream, None)

    def _succeed(self, stream: int, data: bytes) -> None:
        try:
            self._h2.send_headers(stream, [(b":status", b"200"), (b"content-type", b"application/grpc")])
            self._held[stream] = data
            self._send_held()
        except h2.exceptions.ProtocolError:  # it hung up meanwhile
            self._held.pop(stream, None)

    def _send_held(self) -> None:
        for stream in list(self._held):
            data = self._held[stream]
            try:
                room = min(self._h2.local_flow_control_window(stream), self._h2.max_outbound_frame_size)
                while data and room > 0:
                    self._h2.send_data(stream, data[:room])
                    data = data[room:]
                    room = min(self._h2.local_flow_control_window(stream), self._h2.max_outbound_frame_size)
                self._held[stream] = data
                if not data:
                    del self._held[stream]
                    self._h2.send_headers(stream, [(b"grpc-status", b"0")], end_stream=True)
            except h2.exceptions.ProtocolError:
                self._held.pop(stream, None)

    def _fail(self, stream: int, code: int) -> None:
        lines = [(b":status", b"200"), (b"content-type", b"application/grpc"), (b"grpc-status", b"%d" % code)]
        try:
            self._h2.send_headers(stream, lines, end_stream=True)
        except h2.exceptions.ProtocolError:
            return

    def _flush(self) -> None:
        if self._transport is not None:
            self._transport.write(self._h2.data_to_send())

    def _wait(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(_IDLE, self._close)

    def _close_if_over(self) -> None:
        if self._retired and not self._tasks and not self._held:
            with suppress(h2.exceptions.ProtocolError):
                self._h2.close_connection()
            self._flush()
            self._close()

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()
        self._transport = None
