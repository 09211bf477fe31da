"""Ends an evaluation that takes too long, in the process that evaluates: for those who decide nothing by its answer.

A decision worker is ended by the kernel instead: there nothing may depend on a policy's manners.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


class TooLong(BaseException):
    """No Exception: the engine takes those for the policy's own failures."""


class TimeLimit:
    """Of processor time. One per process, made in its main thread: a compiled policy is Python, in which it rises."""

    def __init__(self) -> None:
        signal.signal(signal.SIGVTALRM, _stop)

    @contextmanager
    def of(self, seconds: float) -> Iterator[None]:
        """Raises TooLong."""
        signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def _stop(_: int, __: object) -> None:
    raise TooLong
