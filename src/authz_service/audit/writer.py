"""The only way for a record to its destination: chained, numbered, and every loss recorded as soon as it can be."""

from __future__ import annotations

import time
from collections.abc import Callable

from authz_service.audit.chain import Chain
from authz_service.audit.record import gap_line
from authz_service.audit.sink import AuditSink
from authz_service.errors import AuditTorn, AuditUnavailable


class AuditWriter:
    """One per worker, for its whole life; destinations come and go."""

    def __init__(self, chain: Chain, sink: AuditSink) -> None:
        self._chain = chain
        self._sink = sink
        self._service = self._zone = ""
        self._now: Callable[[], float] = time.time
        self.error = ""  # of the last loss

    def write_to(self, sink: AuditSink) -> None:
        """From now on. The chain goes on there."""
        self._sink.close()
        self._sink = sink

    def speak_for(self, service: str, zone: str) -> None:
        """The names in records of gaps. What a predecessor left to be recorded is, at once if it can be."""
        self._service, self._zone = service, zone
        self._mend()

    def write(self, line: bytes, *, passes: bool = False) -> None:
        """Raises AuditUnavailable; then nothing else may happen either, unless the request `passes` all the same."""
        try:
            if self._chain.broken:
                self._record_gap()
            self._append(line)
        except AuditUnavailable as error:
            self.lose(str(error), passes=passes)
            raise

    def write_if_possible(self, line: bytes) -> bool:
        """A record that nobody waits for: where there is no room it is left out, and no gap is recorded."""
        try:
            if self._chain.broken:
                self._record_gap()
            self._append(line)
        except AuditUnavailable:
            return False
        return True

    def lose(self, error: str, *, passes: bool) -> None:
        """Count a record that is not written, for the record of the gap. Also one that could not even be made."""
        self.error = error
        self._chain.count_loss(self._now(), passed=passes)

    def look_after(self) -> None:
        """Follow a rotation, and record the last losses if there is room again. Called about once a second."""
        self._sink.reopen_if_moved()
        self._mend()

    def _mend(self) -> None:
        if self._chain.broken:
            try:
                self._record_gap()
            except AuditUnavailable as error:
                self.error = str(error)

    def _record_gap(self) -> None:
        gap = self._chain.gap()
        self._append(gap_line(gap, self._service, self._zone, self._now(), self.error))
        self._chain.gap_recorded()
        self.error = ""

    def _append(self, line: bytes) -> None:
        chain = self._chain
        try:
            self._sink.write(chain.seal(line))
        except AuditTorn:
            raise  # perhaps the line is there but for its end: its number is used up
        except AuditUnavailable:
            chain.not_written()
            raise
        chain.written()
