"""The bytes in which Envoy asks who of those that were let in may go on, and the answer. Not the judgement.

The other side is envoy/stream_watch.wat; what a question says is written down in envoy/stream_watch.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from authz_service.domain.decision import Request
from authz_service.headers import ROUTE_SEPARATOR

_NUMBER = 4  # bytes, little-endian, as WebAssembly writes them


class InProgress(NamedTuple):
    """A request that was allowed, and goes on."""

    number: bytes  # by which Envoy's filter knows it
    request: Request  # but for its token
    found: dict[bytes, bytes]  # headers that may carry one: in lower case, absent ones are absent


def read_question(body: bytes) -> Iterator[InProgress]:
    """Raises ValueError for what our filter does not send."""
    at = 0
    while at < len(body):
        number, at = _piece(body, at, _NUMBER)
        question, at = _text(body, at)
        peer, at = _text(body, at)
        method, path, route, remote, correlation_id, *lines = question.decode("latin-1").split("\n")
        pairs = (line.encode("latin-1").partition(b":") for line in lines)
        yield InProgress(
            number,
            Request(
                method,
                path,
                "",
                "",
                route.rpartition(ROUTE_SEPARATOR)[2],
                peer,
                None,
                correlation_id,
                {},
                remote,
            ),
            {name: value for name, _, value in pairs if value},
        )


def write_answer(over: Iterable[bytes]) -> bytes:
    """Those who may not go on, by number."""
    body = b"ends" + b"".join(over)
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)


def _text(body: bytes, at: int) -> tuple[bytes, int]:
    length, at = _piece(body, at, _NUMBER)
    return _piece(body, at, int.from_bytes(length, "little"))


def _piece(body: bytes, at: int, length: int) -> tuple[bytes, int]:
    end = at + length
    if end > len(body):
        raise ValueError("cut off")
    return body[at:end], end
