"""What questions of one caller have in common, read once: all their lines but the first one and the correlation id.

Whoever comes with the same certificate, the same token and the same headers is a known head, wherever the request goes.
Nothing is decided by that: what is known here is only what the parser found in these very bytes.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from authz_service.domain.bounded import Bounded
from authz_service.domain.decision import Request
from authz_service.domain.seen_lately import SeenLately
from authz_service.ext_authz.remembered import Alike
from authz_service.ext_authz.wire import read_again

MAX_KNOWN = 1024  # heads: 16 MiB at most
_MAX_SEEN = 8192
_T = TypeVar("_T")


class KnownHeads(Generic[_T]):
    """One per worker. Emptied when the rules change by which questions are read."""

    def __init__(self) -> None:
        self._known: Bounded[bytes, tuple[_T, Request]] = Bounded(MAX_KNOWN)
        self._seen = SeenLately(_MAX_SEEN)

    def find(self, asked: Alike) -> tuple[_T, Request] | None:
        """Who read its like, and what he would read in this one; None: that is for the parser to tell."""
        line, head = asked.key
        known = self._known.get(head)
        if known is None:
            return None
        reader, request = known
        again = read_again(request, line, asked.correlation_id)
        return None if again is None else (reader, again)

    def is_seen_again(self, asked: Alike) -> bool:
        """Whether its head was there before: only then it is worth being learnt. A token of one request comes once."""
        return self._seen.again(hash(asked.key[1]))

    def learn(self, asked: Alike, reader: _T, request: Request) -> None:
        """The parser and `reader` have found this in the question. Nothing happens where it cannot be found again."""
        line, head = asked.key
        if read_again(request, line, asked.correlation_id) == request:
            self._known[head] = reader, request

    def forget_all(self) -> None:
        self._known.clear()
        self._seen.clear()
