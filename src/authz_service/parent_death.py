"""Ties a process's life to its parent's, so that no death of ours leaves an orphan (prctl(2), PR_SET_PDEATHSIG).

As a script, `python -I -S parent_death.py PARENT PROGRAM ARGUMENT…`, it does so and then becomes the program: a safe
way for a parent that has threads, where code between fork and exec is not. The setting outlives the exec.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """The kernel sends SIGKILL when the thread that forked us ends. Call it first in the child."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:
        os._exit(1)  # it died before we asked


def bound_to_us(command: list[str]) -> list[str]:
    """The command that runs `command` bound to this process's life."""
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *command]


if __name__ == "__main__":
    die_with_parent(int(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 - no shell, and the program is our parent's choice
