"""Memory that we share with Envoy's decision cache: the epoch for it, its counters for us. Not what is done by them.

A file of the state directory. The first page is ours alone to write; then comes a part for each thread of Envoy, of
which we write one word. Each word is aligned, so that no reader sees half of it.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import NamedTuple

from authz_service import private_file
from authz_service.control_protocol import DURATION_BUCKETS_US

MAX_THREADS = 64
_PAGE, _PART, _WORD = 4096, 256, 8  # bytes
_SIZE = _PAGE + MAX_THREADS * _PART
_MAGIC = b"authz decision cache 1\n"
_EPOCH = 64 // _WORD
# In a part, by word.
_BUCKETS = slice(2, 2 + len(DURATION_BUCKETS_US) + 1)
_REPEATED, _DURATION_US, _NOT_WRITTEN, _BROKEN, _ENTRIES, _PID = 0, 1, _BUCKETS.stop, 14, 15, 16
_WORDS = 17


class Told(NamedTuple):
    """By one thread. All but the last three only grow, whichever Envoy it belongs to."""

    repeated: int
    duration_us: int
    buckets: tuple[int, ...]  # of DURATION_BUCKETS_US, the last one without an upper bound
    not_written: int  # records, so that a worker was asked
    broken: bool  # a record was written in part, or may be: it repeats nothing until we have recorded the gap
    entries: int
    pid: int  # of the Envoy


class CacheBoard:
    """Made if it is not there; what an earlier life left there stays, for an Envoy of then may still look at it."""

    def __init__(self, path: Path) -> None:
        """Raises OSError."""
        _prepare(path)
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            self._words = memoryview(mmap.mmap(descriptor, _SIZE)).cast("Q")
        finally:
            os.close(descriptor)

    @property
    def epoch(self) -> int:
        return self._words[_EPOCH]

    def show(self, epoch: int) -> None:
        """What was permitted with another one is not repeated from now on; with 0, nothing."""
        self._words[_EPOCH] = epoch

    def told(self, thread: int) -> Told:
        start = _start(thread)
        words = tuple(self._words[start : start + _WORDS])
        return Told(
            words[_REPEATED],
            words[_DURATION_US],
            words[_BUCKETS],
            words[_NOT_WRITTEN],
            words[_BROKEN] != 0,
            words[_ENTRIES],
            words[_PID],
        )

    def mended(self, thread: int) -> None:
        """It may write again."""
        self._words[_start(thread) + _BROKEN] = 0


def _start(thread: int) -> int:
    return (_PAGE + thread * _PART) // _WORD


def _prepare(path: Path) -> None:
    try:
        found = path.read_bytes()
    except FileNotFoundError:
        found = b""
    if len(found) != _SIZE or not found.startswith(_MAGIC):
        # Whole: a hole would be SIGBUS on a full disk.
        private_file.write(path.name, _MAGIC.ljust(_SIZE, b"\0"), folder=path.parent)
