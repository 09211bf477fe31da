"""Who lost his parent is taken off the table of processes, and nobody whose exit code somebody waits for."""

from __future__ import annotations

import subprocess
import sys

from tests.support.patience import PATIENCE

_SCRIPT = """
import ctypes, os, subprocess, sys, time
from authz_service.control_plane.child_process import reap_strangers

def zombies():
    own = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            fields = open(f"/proc/{name}/stat").read().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] == "Z" and int(fields[1]) == os.getpid():
            own.append(int(name))
    return own

def until(fact):
    end = time.monotonic() + 60
    while not fact():
        assert time.monotonic() < end
        time.sleep(0.01)

assert reap_strangers([]) == 0                # no child at all
ctypes.CDLL(None).prctl(36, 1)                # PR_SET_CHILD_SUBREAPER: as PID 1 is
shell = ["sh", "-c", "(exit 7) & (exit 8) & exec true"]
subprocess.run(shell, check=True, start_new_session=True)
until(lambda: len(zombies()) == 2)
assert reap_strangers([]) == 2
assert zombies() == []

checked = subprocess.Popen(["sh", "-c", "exit 3"])                           # of our session, as Envoy's check
kept = subprocess.Popen(["sh", "-c", "exit 4"], start_new_session=True)      # named, as Envoy
until(lambda: len(zombies()) == 2)
assert reap_strangers([kept.pid]) == 0
assert (checked.wait(), kept.wait()) == (3, 4)                               # for who waits for them
print("well")
"""


def test_strangers_are_reaped_and_ours_are_left() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _SCRIPT], capture_output=True, text=True, timeout=PATIENCE, check=False
    )

    assert (ended.stdout, ended.returncode) == ("well\n", 0), ended.stderr
