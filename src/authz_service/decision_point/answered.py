"""What a decision worker answered, read from the bytes that it writes for Envoy. Not what the asking proxy is told."""

from __future__ import annotations

from typing import NamedTuple

from authz_service import headers
from authz_service.domain.refusals import ANSWERS, Reason

_REMOVE = headers.REMOVE.encode()
_UNAVAILABLE = 463  # headers.UNAVAILABLE_STATUS
_END = b"\r\n\r\n"
Line = tuple[bytes, bytes]


class Answered(NamedTuple):
    """Allowed only with 200; everything else is a refusal, with what the caller is told."""

    status: int
    told: tuple[Line, ...]  # allowed: headers for the service; refused: for the caller
    removed: tuple[bytes, ...]  # headers that the service does not get
    body: bytes

    @property
    def allowed(self) -> bool:
        return self.status == 200


def unavailable(correlation_id: bytes) -> Answered:
    """No worker answers, so nobody has recorded it either."""
    reason = Reason.DECISION_UNAVAILABLE
    answer = ANSWERS[reason]
    body = (
        f'{{"type":"about:blank","title":"{answer.title}","status":{answer.status},"reason":"{reason.value}",'
        f'"correlation_id":"{correlation_id.decode("ascii")}"}}'
    ).encode()
    told = ((b"content-type", b"application/problem+json"), (b"cache-control", b"no-store"), (b"retry-after", b"1"))
    return Answered(answer.status, told, (), body)


def read_answer(received: bytes, *, is_head: bool) -> Answered | None:
    """One whole answer; None while some of it is missing. Raises ValueError for what no worker of ours writes."""
    end = received.find(_END)
    if end < 0:
        return None
    first, *lines = received[:end].split(b"\r\n")
    if not first.startswith(b"HTTP/1.1 "):
        raise ValueError("not a worker's answer")
    status = int(first[9:12])
    told: list[Line] = []
    removed: list[bytes] = []
    length = 0
    for line in lines:
        name, separator, value = line.partition(b": ")
        if not separator:
            raise ValueError("not a worker's answer")
        if name == b"content-length":
            length = int(value)
        elif name == _REMOVE:
            removed += value.split(b",")
        else:
            told.append((name, value))
    body = b"" if is_head else received[end + 4 :]
    if not is_head and len(body) != length:
        if len(body) > length:
            raise ValueError("more than one answer to one question")
        return None
    if status != 200 and not 400 <= status < 500:  # a 5xx is none of the worker's own: see `wire.refuse`
        raise ValueError("not a worker's answer")
    return Answered(503 if status == _UNAVAILABLE else status, tuple(told), tuple(removed), body)
