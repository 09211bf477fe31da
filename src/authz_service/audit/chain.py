"""The present end of each writer's chain, in memory that outlives the writer. Not what is chained (see `seal`).

A file of the state directory, mapped by the workers, a part for each slot. A worker notes a record before it writes it
and again when it is written; so whoever comes after a kill knows the last record that is surely there, and whether one
more may be. Each note is one aligned word, which no kill can tear.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import secrets
import sys
from collections.abc import Callable
from hmac import digest
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

from authz_service import private_file
from authz_service.audit.seal import GENESIS, KEY_SPAN, Mac, closed, covered, first_key, next_key
from authz_service.errors import AuditUnavailable

MAX_SLOTS = 65  # as many workers as there may be, and the control plane
CONTROL_SLOT = 64
_HEADER, _SLOT = 4096, 256
_SIZE = _HEADER + MAX_SLOTS * _SLOT
_MAGIC = b"authz audit chain 1\n"
_INSTANCE = slice(64, 76)
_BOOT = Path("/proc/sys/kernel/random/boot_id")
# In a slot: words of eight bytes, then two places for the chain and two for the key; the one in use is not overwritten.
_WRITTEN, _BEGUN, _LOST, _PASSED, _SINCE = range(5)
_CHAINS, _KEYS = 64, 128
_CELL = 32


class Head(Struct, frozen=True):
    """The last record of a writer that is surely written."""

    writer: str
    seq: int
    chain: str


class Gap(NamedTuple):
    """What is missing, or may be, between the last record that is surely written and the next one."""

    after_seq: int
    after_chain: str
    uncertain: int  # records of which nobody knows whether they are there: their writer was killed, or torn off
    lost: int  # records that were given up: their requests were refused
    passed: int  # … but for these, which went on without their record (audit.on_failure: continue)
    since: float  # the first loss; 0 without one


def prepare(path: Path, secret: bytes) -> None:
    """Continue the chains of this file, or begin new ones where they cannot be: no file, another key, another boot.

    After a power failure the file and the records may be of different moments, so nothing is continued then.
    """
    identity = _MAGIC + digest(secret, _boot(), "sha256")
    try:
        found = path.read_bytes()
    except FileNotFoundError:
        found = b""
    if len(found) == _SIZE and found.startswith(identity):
        return
    # Whole: a hole would be SIGBUS on a full disk.
    private_file.write(path.name, _content(identity, secret), folder=path.parent)


def _content(identity: bytes, secret: bytes) -> bytes:
    """Of a new memory: no chain has begun."""
    instance = secrets.token_hex(6)
    content = bytearray(_SIZE)
    content[: len(identity)] = identity
    content[_INSTANCE] = instance.encode()
    for slot in range(MAX_SLOTS):
        start = _HEADER + slot * _SLOT
        content[start + _CHAINS : start + _CHAINS + _CELL] = GENESIS
        content[start + _KEYS : start + _KEYS + _CELL] = first_key(secret, f"{instance}-{slot}")
    return bytes(content)


def heads(*paths: Path) -> list[Head]:
    """Of every writer that has written, while they write on. Raises ValueError for a file that is no chain memory.

    Whoever calls it loses the locks that its process has on these files (fcntl(2): with any close). The control plane
    does, whose own part nobody else takes. Locks of an open file would stay, but two of one process exclude each other,
    and what forks or is handed the descriptor shares them.
    """
    return [head for path in paths if path.exists() for head in _heads(path)]


def _heads(path: Path) -> list[Head]:
    found = path.read_bytes()
    if len(found) != _SIZE or not found.startswith(_MAGIC):
        raise ValueError(f"{path} is not the chain memory of a sidecar")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as memory:
        return [head for slot in range(MAX_SLOTS) if (head := _head(memory, slot)).seq]


def _head(memory: mmap.mmap, slot: int) -> Head:
    """The chain is overwritten only by the record after the next one: seen twice the same, the number has its chain."""
    start = _HEADER + slot * _SLOT
    while True:
        word = memory[start : start + 8]
        seq, cell = divmod(int.from_bytes(word, sys.byteorder), 2)
        place = start + _CHAINS + cell * _CELL
        chain = _text(memory[place : place + _CELL])
        if memory[start : start + 8] == word:
            return Head(_writer(memory, slot), seq, chain)


def _writer(memory: mmap.mmap, slot: int) -> str:
    return f"{_text(memory[_INSTANCE])}-{slot}"


def _text(found: bytes) -> str:
    """Whoever may write there may be taken over: what he writes ends nobody else."""
    return found.decode("ascii", "replace")


def _boot() -> bytes:
    return _BOOT.read_bytes() if _BOOT.exists() else b""


def open_memory(path: str) -> int:
    return os.open(path, os.O_RDWR | os.O_CLOEXEC)


class Chain:
    """One writer's end of its chain. `seal` a line, write it, then say `written`, `not_written` or neither."""

    def __init__(self, path: str, slot: int, opened: Callable[[str], int] = open_memory) -> None:
        """Without a path the chain lives and ends with us. Raises AuditUnavailable, also while a predecessor lives."""
        self._memory, self._lock = _shared(path, slot, opened) if path else _private()
        start = _HEADER + slot * _SLOT
        self._words = words = memoryview(self._memory)[start : start + _CHAINS].cast("Q")
        self.writer = _writer(self._memory, slot)
        self._name = self.writer.encode()
        # What is in the words, too: nobody else writes them.
        self._seq, self._cell = divmod(words[_WRITTEN], 2)
        self._begun, self._lost = words[_BEGUN], words[_LOST]
        self._chains, self._keys = _two_cells(start + _CHAINS), _two_cells(start + _KEYS)
        self._chain = self._next = self._memory[self._chains[self._cell]]
        self.broken = self._begun != self._seq or self._lost != 0  # a gap must be recorded before the next record
        self._use_key(self._begun + 1)

    def gap(self) -> Gap:
        passed, since = self._words[_PASSED], self._words[_SINCE] / 1000
        return Gap(self._seq, _text(self._chain), self._begun - self._seq, self._lost, passed, since)

    def seal(self, line: bytes) -> bytes:
        """The line as it must be written now. A number that may have been used is not used again."""
        self._begun = begun = self._begun + 1
        if begun % KEY_SPAN == 0:
            self._use_key(begun)
        text = covered(line, self._name, begun)
        self._next = chain = self._mac.chain(self._chain, text)
        self._words[_BEGUN] = begun
        return closed(text, chain)

    def written(self) -> None:
        self._cell = cell = 1 - self._cell
        self._memory[self._chains[cell]] = self._chain = self._next
        self._seq = seq = self._begun
        self._words[_WRITTEN] = seq * 2 + cell

    def not_written(self) -> None:
        """Nothing of the sealed line is there: its number is free again."""
        self._words[_BEGUN] = self._begun = self._begun - 1

    def count_loss(self, now: float, *, passed: bool) -> None:
        if not self._lost:
            self._words[_SINCE] = int(now * 1000)
        self._words[_LOST] = self._lost = self._lost + 1
        self.broken = True
        self._words[_PASSED] += passed

    def gap_recorded(self) -> None:
        self._lost, self.broken = 0, False
        self._words[_PASSED] = self._words[_SINCE] = self._words[_LOST] = 0

    def close(self) -> None:
        """Another process may go on with the chain. Not for one that lives and ends with us."""
        self._words.release()
        self._memory.close()
        os.close(self._lock)

    def _use_key(self, seq: int) -> None:
        """The key for this number. The one before it stays until the next: a kill in between finds it."""
        span = seq // KEY_SPAN
        if seq % KEY_SPAN == 0:
            self._memory[self._keys[span % 2]] = next_key(self._memory[self._keys[(span - 1) % 2]])
        self._mac = Mac(self._memory[self._keys[span % 2]])


def _two_cells(start: int) -> tuple[slice, slice]:
    return slice(start, start + _CELL), slice(start + _CELL, start + 2 * _CELL)


def _private() -> tuple[mmap.mmap, int]:
    memory = mmap.mmap(-1, _SIZE)
    memory[:] = _content(_MAGIC, b"")
    return memory, -1


def _shared(path: str, slot: int, opened: Callable[[str], int]) -> tuple[mmap.mmap, int]:
    """And the descriptor that holds the lock: two processes of one slot would fork its chain (fcntl(2), F_SETLK)."""
    descriptor = -1
    try:
        descriptor = opened(path)
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, _SLOT, _HEADER + slot * _SLOT)
        return mmap.mmap(descriptor, _SIZE), descriptor
    except (OSError, ValueError) as error:
        if descriptor >= 0:
            os.close(descriptor)
        if isinstance(error, BlockingIOError):
            raise AuditUnavailable(f"another process still writes the audit records of worker {slot}") from None
        raise AuditUnavailable(f"the chain of the audit records, {path}, cannot be used: {error}") from error
