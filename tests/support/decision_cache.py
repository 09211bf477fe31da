"""What the decision cache in Envoy may do with permits, in Python: what permits are good for is tried with it.

It reads the bytes with which Envoy asks a worker, in place of the request that Envoy has. Not the filter's own tests.
"""

from __future__ import annotations

import os
import re
import struct
import time
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from authz_service.audit.chain import Chain
from authz_service.audit.record import MAX_LINE
from authz_service.headers import CORRELATION_ID, REMEMBER

_GOOD_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_HEAD = struct.Struct("<BQQ")
_ALLOWED, _END = b"HTTP/1.1 200 OK\r\n", b"content-length: 0\r\n\r\n"
_LINE = re.compile(rb"\r\n" + REMEMBER.encode() + rb": ([A-Za-z0-9+/]+={0,2})(?=\r\n)")


class Permit(NamedTuple):
    epoch: int
    until: int  # µs since the epoch
    record: tuple[bytes, ...]  # four pieces
    owned: bytes


class _Entry(NamedTuple):
    permit: Permit
    since: int


def read_permit(text: bytes) -> Permit | None:
    """From the header's value; None for anything that is not wholly one."""
    whole = b64decode(text, validate=True)
    if len(whole) < _HEAD.size:
        return None
    version, epoch, until = _HEAD.unpack_from(whole)
    pieces, at = [], _HEAD.size
    while at < len(whole):
        size = int.from_bytes(whole[at : at + 2], "little")
        pieces.append(whole[at + 2 : at + 2 + size])
        at += 2 + size
    if version != 1 or at != len(whole) or len(pieces) != 5:
        return None
    return Permit(epoch, until, tuple(pieces[:4]), pieces[4])


def permit_in(answer: bytes) -> Permit | None:
    found = _LINE.search(answer)
    return None if found is None else read_permit(found[1])


class DecisionCache:
    """One thread of Envoy. `board`: the epoch that the control plane shows."""

    def __init__(self, file: Path, now: Callable[[], float], board: Callable[[], int]) -> None:
        self._file = file
        self._now = now
        self._board = board
        self._chain = Chain("", 0)
        self._entries: dict[bytes, _Entry] = {}
        self.repeated = 0

    def repeat(self, question: bytes) -> bytes | None:
        """The worker's answer, on record; None: it has to be asked."""
        key, correlation_id = _taken_apart(question)
        entry = self._entries.get(key)
        if entry is None or not correlation_id or entry.permit.epoch != self._board():
            return None
        if not entry.since <= self._microseconds() < entry.permit.until or not self._record(entry, correlation_id):
            return None
        self.repeated += 1
        return _ALLOWED + entry.permit.owned + _END

    def learn(self, question: bytes, answer: bytes) -> bytes:
        """The answer without its permit, which is kept if it is of now."""
        permit = permit_in(answer)
        key, correlation_id = _taken_apart(question)
        if permit is not None and correlation_id and permit.epoch == self._board():
            self._entries[key] = _Entry(permit, self._microseconds())
        return _LINE.sub(b"", answer)

    def _record(self, entry: _Entry, correlation_id: bytes) -> bool:
        now, own = self._now(), (os.urandom(16).hex().encode(), correlation_id, b"3", b"}\n")
        begin = time.strftime('{"time":"%Y-%m-%dT%H:%M:%S.', time.gmtime(int(now))) + f"{int(now % 1 * 1000):03d}Z"
        pieces = zip(entry.permit.record, own, strict=True)
        line = self._chain.seal(begin.encode() + b"".join(piece for pair in pieces for piece in pair))
        if len(line) > MAX_LINE:
            self._chain.not_written()
            return False
        with self._file.open("ab") as file:
            file.write(line)
        self._chain.written()
        return True

    def _microseconds(self) -> int:
        return int(self._now() * 1_000_000)


def _taken_apart(question: bytes) -> tuple[bytes, bytes]:
    """The key, and the correlation id; b"" where there is not exactly one, and a good one."""
    lines = question.split(b"\r\n")
    is_id = [line.lower().startswith(CORRELATION_ID.encode() + b":") for line in lines]
    ids = [line.partition(b": ")[2] for line, is_one in zip(lines, is_id, strict=True) if is_one]
    key = b"\r\n".join(line for line, is_one in zip(lines, is_id, strict=True) if not is_one)
    return key, ids[0] if len(ids) == 1 and _GOOD_ID.fullmatch(ids[0]) else b""
