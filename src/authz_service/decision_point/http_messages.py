"""HTTP/1.1 as askers speak it to us: one request, one answer, as values. Not the parsing, not what they mean."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import NamedTuple

from authz_service.decision_point.answered import Line

_PHRASES = {status.value: status.phrase for status in HTTPStatus}


class HttpRequest(NamedTuple):
    """Names of headers in lower case; two values of one name are joined by a comma, and the name is in `repeated`."""

    method: bytes
    target: bytes
    found: dict[bytes, bytes]
    repeated: frozenset[bytes]
    body: bytes

    def one(self, name: str) -> bytes | None:
        """The only value of a header; None where it is missing. Raises ValueError where it came twice."""
        key = name.encode()
        if key in self.repeated:
            raise ValueError(f"{name} came twice")
        return self.found.get(key)


def http_answer(status: int, lines: Iterable[Line], body: bytes, *, is_head: bool = False, last: bool = False) -> bytes:
    """The bytes of an answer; the connection ends after the `last`."""
    head = b"".join(name + b": " + value + b"\r\n" for name, value in lines)
    if last:
        head += b"connection: close\r\n"
    return b"HTTP/1.1 %d %s\r\n%scontent-length: %d\r\n\r\n%s" % (
        status,
        _PHRASES.get(status, "Refused").encode(),
        head,
        len(body),
        b"" if is_head else body,
    )
