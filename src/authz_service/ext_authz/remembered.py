"""Questions that were allowed, remembered by their very bytes, so that their like need not be decided. Not the answers.

Two questions are alike when every byte of them is the same, but for the correlation id: same route and revision, same
certificate, token, path, headers. So a question that is alike has been parsed, too: what stands in the id's place
cannot be anything else than another id.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from authz_service.domain.bounded import Bounded
from authz_service.domain.seen_lately import SeenLately
from authz_service.headers import CORRELATION_ID, CORRELATION_ID_PATTERN

MAX_BYTES = 16_384  # of one question; an ordinary one has 2 to 4 KiB
MAX_REMEMBERED = 1024  # questions: 16 MiB at most
_MAX_ASKED = 8192
_ID = f"\r\n{CORRELATION_ID}: ".encode()
_VALUE = re.compile(rf"({CORRELATION_ID_PATTERN})\r\n".encode())
_LINE_END, _END = b"\r\n", b"\r\n\r\n"
_T = TypeVar("_T")


class Alike(NamedTuple):
    """A question, taken apart."""

    # The first line; and the head: all that follows, but for the correlation id. Its hash is counted once.
    key: tuple[bytes, bytes]
    correlation_id: str  # which is one (`headers.is_correlation_id`)


class _Remembered(NamedTuple, Generic[_T]):
    what: _T
    since: float
    until: float


class RememberedQuestions(Generic[_T]):
    """One per worker. Emptied whenever anything changes that an answer depends on; else each ends at its own time."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self.epoch = 0  # of all that is remembered: with it Envoy may repeat it, too. 0: it may not
        self._known: Bounded[tuple[bytes, bytes], _Remembered[_T]] = Bounded(MAX_REMEMBERED)
        self._asked = SeenLately(_MAX_ASKED)  # most is never asked again

    def find(self, asked: Alike) -> _T | None:
        """What is remembered of a question like this one."""
        known = self._known.get(asked.key)
        if known is None:
            return None
        if not known.since <= self.now() < known.until:  # also where the clock was set back
            del self._known[asked.key]
            return None
        return known.what

    def is_asked_again(self, asked: Alike) -> bool:
        """Whether one like it was asked before: only then it is worth its memory."""
        return self._asked.again(hash(asked.key))

    def remember(self, asked: Alike, correlation_id: str, what: _T, until: float) -> bool:
        """`correlation_id`: what the parser found. False where it is not the one that stands in the bytes."""
        if asked.correlation_id != correlation_id:
            return False
        self._known[asked.key] = _Remembered(what, self.now(), until)
        return True

    def forget_all(self, epoch: int = 0) -> None:
        """`epoch`: of what is remembered from now on."""
        self.epoch = epoch
        self._known.clear()
        self._asked.clear()


def taken_apart(question: bytes) -> Alike | None:
    """None for what has no correlation id that is one."""
    end_of_line = question.find(_LINE_END)
    start = question.find(_ID, end_of_line) + len(_ID)
    if start < len(_ID) or len(question) > MAX_BYTES:
        return None
    value = _VALUE.match(question, start)
    if value is None:
        return None
    key = question[:end_of_line], question[end_of_line:start] + question[value.end(1) :]
    return tuple.__new__(Alike, (key, value[1].decode()))  # half of the time of `Alike(…)`


def is_one(question: bytes) -> bool:
    """A head and nothing else: no body, no second question."""
    return question.find(_END) == len(question) - len(_END) >= 0


def one_taken_apart(question: bytes) -> Alike | None:
    """Also None for what is not one."""
    return taken_apart(question) if is_one(question) else None
