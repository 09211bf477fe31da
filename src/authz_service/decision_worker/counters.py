"""What a worker counts between two reports to the control plane, which adds them up (`control_plane.counters`)."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter

from authz_service.control_protocol import DURATION_BUCKETS_US, CountersDelta
from authz_service.domain.refusals import Reason


class WorkerCounters:
    """What happened since it was last asked, for the control plane's metrics."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._decisions: Counter[tuple[bool, Reason]] = Counter()
        self._buckets = [0] * (len(DURATION_BUCKETS_US) + 1)
        self._duration_us = 0
        self._audit_failures = 0
        self._ended: Counter[Reason] = Counter()
        self._memory: Counter[str] = Counter()
        self.audit_error = ""  # the last one, for the log

    def add(self, reason: Reason, duration_us: int, *, allowed: bool) -> None:
        self._decisions[allowed, reason] += 1
        self._buckets[bisect_left(DURATION_BUCKETS_US, duration_us)] += 1
        self._duration_us += duration_us

    def add_memory(self, how: str) -> None:
        """One of `control_protocol.MEMORY`."""
        self._memory[how] += 1

    def add_end(self, reason: Reason) -> None:
        self._ended[reason] += 1

    def add_audit_failure(self, error: str) -> None:
        self._audit_failures += 1
        self.audit_error = error

    def take(self) -> CountersDelta | None:
        """The delta, and a fresh start; None when nothing happened."""
        if not self._decisions and not self._audit_failures and not self._ended:
            return None
        decisions = {
            f"{'allow' if allowed else 'deny'}|{reason}": n for (allowed, reason), n in self._decisions.items()
        }
        ended = {reason.value: n for reason, n in self._ended.items()}
        delta = CountersDelta(
            decisions, self._buckets, self._duration_us, self._audit_failures, ended, dict(self._memory)
        )
        self._reset()
        return delta
