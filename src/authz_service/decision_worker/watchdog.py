"""Finds the worker that lives and does not turn: stopped, blocked, or in a loop. It names it; the forkserver ends it.

A busy machine must not look like one: a worker that waits for a processor is runnable, as the kernel tells, and is left
alone. Looks are counted, not seconds: whoever was suspended together with its workers blames nobody.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

BEAT = 0.25  # seconds between two beats of a worker
LOOK = 0.4  # seconds between two looks at it
SILENT_LOOKS = 4
SPUN = 10.0  # seconds of processor time without a beat; taking over the largest policy data needs less
_NOT_RUNNABLE = frozenset("ST")  # a debugger's patience is not ours to judge; what waits for a disk cannot be ended


class Look(NamedTuple):
    """What can be seen of a worker from outside."""

    beats: int
    state: str  # of proc(5)
    seconds: float  # of processor time


class _Silence(NamedTuple):
    beats: int
    since: float  # seconds of processor time
    looks: int = 0


class Watchdog:
    """Looks at all workers again and again."""

    def __init__(self, look_at: Callable[[int, int], Look]) -> None:
        """`look_at(pid, slot)`."""
        self._look_at = look_at
        self._silences: dict[int, _Silence] = {}  # by pid
        self._ended_slot: int | None = None  # its next worker has still to turn

    def find(self, slots: Mapping[int, int]) -> int | None:
        """The pid of one worker to end, of these (pid -> slot). Never the other before the one's successor turns."""
        self._silences = {pid: silence for pid, silence in self._silences.items() if pid in slots}
        hung = [pid for pid, slot in slots.items() if self._is_hung(pid, slot)]
        for pid in hung:
            if self._ended_slot in (None, slots[pid]):
                self._ended_slot = slots[pid]
                return pid
        return None

    def _is_hung(self, pid: int, slot: int) -> bool:
        look, silence = self._look_at(pid, slot), self._silences.get(pid)
        if silence is None:
            self._silences[pid] = _Silence(look.beats, look.seconds)
            return False
        if silence.beats != look.beats:
            self._silences[pid] = _Silence(look.beats, look.seconds)
            if slot == self._ended_slot:
                self._ended_slot = None
            return False
        looks = silence.looks + 1 if look.state in _NOT_RUNNABLE else 0
        self._silences[pid] = silence._replace(looks=looks)
        return looks >= SILENT_LOOKS or look.seconds - silence.since > SPUN


def state_of(pid: int) -> str:
    """R, S, D, T, t, Z, … of proc(5); X when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="latin-1").rpartition(") ")[2][0]
    except OSError:
        return "X"


def seconds_of(pid: int) -> float:
    """Its processor time. A process's clock is named by its id (CPUCLOCK_SCHED of clock_getcpuclockid(3))."""
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return 0.0
