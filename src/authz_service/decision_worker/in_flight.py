"""Memory that outlives a worker: the question that each one is at, and those that ended one. Not what becomes of them.

The forkserver makes it before it forks, so that all of them share it. A worker writes its question down before it
decides and takes it back afterwards; what is still there when a worker is dead is the question that ended it, or that
it took along. The forkserver files it; whoever is asked it again, or else the worker's successor, records it
(`poison_requests`).
"""

from __future__ import annotations

import mmap
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from enum import IntEnum
from struct import Struct

import msgspec

from authz_service.domain.decision import Request

KEPT = 10.0  # seconds for which a filed question is remembered
_FILED = 64  # questions, a divisor of 256; a slot is ended at most some four times a second

_FILINGS = 0  # one byte: how many were filed, modulo 256; the forkserver alone writes it
_BEATS = 64  # one byte per slot: how often the worker's loop has turned, modulo 256
_STOPPED = 128  # one byte per slot: whether its worker is stopped by a signal; the forkserver alone writes it
_PAGE = 4096
_HEAD = 64  # bytes
_ROOM = 512 << 10  # bytes for a question: at most 128 KiB of latin-1, of which each may become two in UTF-8
# pid, bytes of the question, mark of the rules, whether it stands, whether another took it over
_Head = Struct("<IIIBB")
_STANDS, _TAKEN_OVER = 12, 13
# when, slot, Ending, whether it was answered, bytes of the question, mark, digest
_Filed = Struct("<dBBBxII4x16s")
_ANSWERED, _DIGEST = 10, 24  # where these two are: each is set by itself

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Request).decode
UNKNOWN = bytes(16)


class Ending(IntEnum):
    """How a worker's life ended in the middle of a question."""

    LOST = 0  # killed from outside: the question is innocent
    TIMED_OUT = 1  # it used up its processor time
    CRASHED = 2


class InFlight:
    """Shared by the forkserver and its workers. Each byte has one writer at a time, so there is no lock to die with."""

    def __init__(self, workers: int, now: Callable[[], float] = time.monotonic) -> None:
        """`now` is the same clock in every process."""
        self.now = now
        self._workers = workers
        self._heads = _PAGE
        self._questions = _page_end(self._heads + workers * _HEAD)
        self._files = self._questions + workers * _ROOM
        # Pages that are never touched cost nothing.
        self._memory = mmap.mmap(-1, self._files + _FILED * (_PAGE + _ROOM))
        self.sit(0)

    # The worker's part

    def sit(self, slot: int) -> None:
        """From here on this process is the slot's worker."""
        self.slot = slot
        self._beat = _BEATS + slot
        self._head = self._heads + slot * _HEAD
        self._stands = self._head + _STANDS
        self._question = self._questions + slot * _ROOM
        self._pid = os.getpid()
        self._calm = -1  # so many filings have nothing left that we must remember

    def beat(self) -> None:
        self._memory[self._beat] = (self._memory[self._beat] + 1) & 255

    def begin(self, request: Request, mark: int) -> None:
        """The question is being decided, by the rules with this mark."""
        question = _encode(request)
        memory, place = self._memory, self._question
        memory[place : place + len(question)] = question
        _Head.pack_into(memory, self._head, self._pid, len(question), mark, True, False)

    def end(self) -> None:
        self._memory[self._stands] = 0

    @property
    def alarmed(self) -> bool:
        """Whether a worker has died in the middle of a question, as far as we have not heard all about it."""
        return self._memory[_FILINGS] != self._calm

    @property
    def stands_by(self) -> bool:
        """Whether this worker is asked only what another was asked before (envoy.clusters)."""
        return 0 < self.slot == self._workers - 1

    def standing(self) -> Iterator[tuple[int, Request]]:
        """What the other workers are at, or died at if that is not filed yet, by slot."""
        for slot in range(self._workers):
            question = None if slot == self.slot else self._standing(slot)
            if question is not None:
                with suppress(msgspec.MsgspecError, ValueError):  # it was read while it was written: it has just begun
                    yield slot, _decode(question)

    def is_stopped(self, slot: int) -> bool:
        return bool(self._memory[_STOPPED + slot])

    def take_over(self, slot: int) -> None:
        """We answer the question of that slot: if its worker dies, nothing about it is left to be told."""
        self._memory[self._heads + slot * _HEAD + _TAKEN_OVER] = 1

    def filed(self) -> list[Filed]:
        """What is still to be remembered. When there is nothing, `alarmed` becomes false."""
        filings = self._memory[_FILINGS]
        found = list(self._recent(filings, max(0.0, self.now() - KEPT)))
        if not found:
            self._calm = filings
        return found

    def _recent(self, filings: int, since: float) -> Iterator[Filed]:
        for back in range(1, _FILED + 1):
            filed = Filed(self._memory, self._file(filings - back))
            if filed.at <= since:
                return
            if filed.ending is not Ending.LOST or not filed.is_answered:
                yield filed

    # The forkserver's part

    def beats(self, slot: int) -> int:
        return self._memory[_BEATS + slot]

    def set_stopped(self, slot: int, *, stopped: bool) -> None:
        self._memory[_STOPPED + slot] = stopped

    def file(self, slot: int, ending: Ending) -> bool:
        """The slot's worker is dead: keep the question that it was at, and clear the slot for the next worker.
        Whether there was one.
        """
        question, head = self._standing(slot), self._heads + slot * _HEAD
        if question is None:
            return False
        _, _, mark, _, answered = _Head.unpack_from(self._memory, head)
        filings = self._memory[_FILINGS]
        place = self._file(filings)
        self._memory[place + _PAGE : place + _PAGE + len(question)] = question
        fields = (self.now(), slot, ending, answered, len(question), mark, UNKNOWN)
        _Filed.pack_into(self._memory, place, *fields)
        self._memory[_FILINGS] = (filings + 1) & 255
        self._memory[head + _STANDS] = 0
        return True

    def _file(self, number: int) -> int:
        return self._files + number % _FILED * (_PAGE + _ROOM)

    def _standing(self, slot: int) -> bytes | None:
        head = self._heads + slot * _HEAD
        _, size, _, stands, _ = _Head.unpack_from(self._memory, head)
        if not stands:
            return None
        place = self._questions + slot * _ROOM
        return self._memory[place : place + size]


class Filed:
    """One question that ended a worker, or that a worker took along. A view: what is set here is set for all."""

    def __init__(self, memory: mmap.mmap, place: int) -> None:
        self._memory, self._place = memory, place
        fields = _Filed.unpack_from(memory, place)
        self.at, self.slot, ending, answered, self._size, self.mark, self.digest = fields
        self.ending, self.is_answered = Ending(ending), bool(answered)

    @property
    def question(self) -> bytes:
        start = self._place + _PAGE
        return self._memory[start : start + self._size]

    @property
    def request(self) -> Request:
        return _decode(self.question)

    def is_of(self, request: Request) -> bool:
        return self.question == _encode(request)

    def know(self, digest: bytes) -> None:
        """What the policy sees of it. Each worker that looks finds the same."""
        self.digest = digest
        start = self._place + _DIGEST
        self._memory[start : start + len(digest)] = digest

    def set_answered(self) -> None:
        self.is_answered = True
        self._memory[self._place + _ANSWERED] = 1


def _page_end(offset: int) -> int:
    return -(-offset // _PAGE) * _PAGE
