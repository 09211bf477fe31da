"""Measures a sidecar's process from its start, as `sitecustomize` (tests/support/measured.py). Not the tests' own.

A process behind walls can open no file at its end, and has let go of every descriptor. What it maps into its memory it
keeps: a file is mapped before there is a wall, with a part for this process and for each that it will fork.
"""

from __future__ import annotations

import atexit
import mmap
import os
import sqlite3.dump  # noqa: F401 - coverage reads it at the end, and then there are walls
import struct
import tempfile
from pathlib import Path
from typing import NoReturn

import coverage

PART = 4 << 20  # bytes; what is not written takes no room
PARTS = 64
LENGTH = struct.Struct("<I")  # of the data, which follow
SUFFIX = ".measured"
_HERE = Path(__file__)  # a link, in the folder that takes the files
_PYPROJECT = _HERE.resolve().parents[2] / "pyproject.toml"


class _Measured:
    def __init__(self) -> None:
        descriptor, _ = tempfile.mkstemp(suffix=SUFFIX, dir=_HERE.parent)
        os.truncate(descriptor, PART * PARTS)
        self._memory = mmap.mmap(descriptor, PART * PARTS)
        os.close(descriptor)
        self._own = self._forks = 0
        self._coverage = coverage.Coverage(data_file=None, config_file=str(_PYPROJECT))
        self._coverage.set_option("run:patch", [])
        self._coverage.set_option("run:disable_warnings", ["module-not-imported"])
        self._exit = os._exit

    def start(self) -> None:
        os.register_at_fork(before=self._before_fork, after_in_child=self._after_fork)
        atexit.register(self._write)
        os._exit = self._write_and_exit  # how a fork ends
        self._coverage.start()

    def _before_fork(self) -> None:
        self._forks += 1

    def _after_fork(self) -> None:
        self._own = self._forks

    def _write(self) -> None:
        self._coverage.stop()
        data = self._coverage.get_data().dumps()
        start = self._own * PART
        self._memory[start : start + LENGTH.size + len(data)] = LENGTH.pack(len(data)) + data

    def _write_and_exit(self, status: int) -> NoReturn:
        try:
            self._write()
        finally:
            self._exit(status)


if __name__ == "sitecustomize":
    _Measured().start()
