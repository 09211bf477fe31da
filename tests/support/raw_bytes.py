"""Raw bytes over mTLS: HTTP/1 as written, HTTP/2 frame by frame. It corrects nothing and judges nothing."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import struct
from collections.abc import Sequence

from hpack import Encoder
from tests.support.patience import PATIENCE

Address = tuple[str, int]
Fields = Sequence[tuple[bytes, bytes]]
_SILENCE = 1.5  # seconds without a byte: it has said what it had to say, on a busy machine too
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PUSH_PROMISE, CONTINUATION = 0, 1, 3, 4, 5, 9
END_STREAM, END_HEADERS, PADDED, PRIORITY = 1, 4, 8, 32


async def exchange(place: Address, tls: ssl.SSLContext, name: str, sent: bytes, *, is_answered: bool = True) -> bytes:
    """What came back before it closed or fell silent. What may have no answer is not waited for as long."""
    reader, writer = await asyncio.open_connection(*place, ssl=tls, server_hostname=name)
    received = b""
    try:
        writer.write(sent)
        with contextlib.suppress(TimeoutError, ConnectionError, ssl.SSLError):
            patience = PATIENCE if is_answered else _SILENCE  # for the first byte
            while piece := await asyncio.wait_for(reader.read(65536), patience):
                received += piece
                patience = _SILENCE
    finally:
        writer.transport.abort()
    return received


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """RFC 9113 §4.1."""
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def opening(*frames: bytes) -> bytes:
    """A connection's first bytes, then these."""
    return _PREFACE + frame(SETTINGS, 0, 0) + b"".join(frames)


def block(fields: Fields) -> bytes:
    """HPACK without the dynamic table, names and values as they are."""
    return bytes(Encoder().encode([(name, value, True) for name, value in fields], huffman=False))


def request(fields: Fields, body: bytes | None = None, trailers: Fields = (), stream: int = 1) -> bytes:
    """HEADERS, and what belongs to it."""
    last = END_STREAM if body is None and not trailers else 0
    frames = frame(HEADERS, END_HEADERS | last, stream, block(fields))
    if body is not None:
        frames += frame(DATA, 0 if trailers else END_STREAM, stream, body)
    if trailers:
        frames += frame(HEADERS, END_HEADERS | END_STREAM, stream, block(trailers))
    return frames
