"""Ends an evaluation that takes too long, in the process that evaluates: for those who decide nothing by its answer.

A decision worker is ended by the kernel instead: there nothing may depend on a policy's manners.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_AGAIN = 0.01  # seconds
_PATIENCE = 100  # signals that find somebody else's code, before one rises there all the same


class TooLong(BaseException):
    """No Exception: the engine takes those for the policy's own failures."""


class TimeLimit:
    """Of processor time. One per process, made in its main thread: a compiled policy is Python, in which it rises.

    Not in what runs in between: a callback of the garbage collector would swallow it, and a lock would stay held.
    """

    def __init__(self) -> None:
        self._deferred = 0
        signal.signal(signal.SIGVTALRM, self._stop)

    @contextmanager
    def of(self, seconds: float) -> Iterator[None]:
        """Raises TooLong."""
        self._deferred = 0
        signal.setitimer(signal.ITIMER_VIRTUAL, seconds, _AGAIN)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)

    def _stop(self, _: int, frame: FrameType | None) -> None:
        self._deferred += 1
        if self._deferred < _PATIENCE and (frame is None or not _is_of_a_policy(frame)):
            return
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        raise TooLong


def _is_of_a_policy(frame: FrameType) -> bool:
    """Compiled, or what it calls (`authz_rego.compile.program`)."""
    return frame.f_code.co_filename == "<rego>" or str(frame.f_globals.get("__name__")).startswith("authz_rego.")
