"""Finds the few records of an audit file that have a text in them, without reading the others. Not what they mean."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from authz_service.audit.seal import find_sealed

_BLOCK = 1 << 22
_LONGEST = 1 << 20  # bytes of a line that is kept until its end comes; ours are shorter


class Found(NamedTuple):
    """A line, and the last one before it of the same writer; empty where that is not near."""

    number: int
    line: bytes
    before: bytes = b""


class Searcher:
    """One file, from its start; what is appended to it can be searched later."""

    def __init__(self, read: Callable[[int], bytes], needles: Sequence[bytes], block: int = _BLOCK) -> None:
        self._read, self._needles, self._size = read, needles, block
        self._number = 1
        self._rest = self._earlier = b""

    def found(self, *, to_the_end: bool = False) -> Iterator[Found]:
        """`to_the_end`: what comes after the last line feed is a line too, for no more will come."""
        while chunk := self._read(self._size):
            block = self._rest + chunk
            end = block.rfind(b"\n") + 1
            yield from self._in_block(block, end)
            self._number += block.count(b"\n", 0, end)
            self._rest = block[end:] if len(block) - end < _LONGEST else b""
            self._earlier = block[:end] or self._earlier
        if to_the_end and self._rest:
            yield from self._in_block(self._rest, len(self._rest))
            self._rest = b""

    def _in_block(self, block: bytes, end: int) -> Iterator[Found]:
        starts = sorted({start for needle in self._needles for start in _line_starts(block, needle, end)})
        number, counted = self._number, 0
        for start in starts:
            number += block.count(b"\n", counted, start)
            counted = start
            line = _line_at(block, start, end)
            if len(line) <= _LONGEST:
                yield Found(number, line, self._before(block, start, line))

    def _before(self, block: bytes, start: int, line: bytes) -> bytes:
        sealed = find_sealed(line.rstrip(b"\r"))
        if sealed is None:
            return b""
        mark = b'"writer":"%b","seq":' % sealed.writer.encode()
        for where, upto in ((block, start), (self._earlier, len(self._earlier))):
            at = where.rfind(mark, 0, upto)
            if at >= 0:
                return _line_at(where, where.rfind(b"\n", 0, at) + 1, upto)
        return b""


def _line_starts(block: bytes, needle: bytes, end: int) -> Iterator[int]:
    at = block.find(needle, 0, end)
    while at >= 0:
        yield block.rfind(b"\n", 0, at) + 1
        feed = block.find(b"\n", at, end)
        at = -1 if feed < 0 else block.find(needle, feed, end)


def _line_at(block: bytes, start: int, end: int) -> bytes:
    feed = block.find(b"\n", start, end)
    return block[start : end if feed < 0 else feed]
