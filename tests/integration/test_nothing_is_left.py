"""What is left of a mesh, looked at from outside: no process and no file, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from tests.support.patience import PATIENCE, until

from authz_devkit.demo.mesh import EXAMPLE

Started = subprocess.Popen[str]


@pytest.fixture
def folder() -> Iterator[Path]:
    """Temporary files and the working directory of what we start; a short path, for the sockets in it."""
    with tempfile.TemporaryDirectory(prefix="left-", dir="/tmp") as name:
        for part in ("tmp", "here"):
            (Path(name) / part).mkdir()
        yield Path(name)


def test_nothing_is_left_of_a_mesh_that_was_killed_and_of_the_next_which_ended_half_way(folder: Path) -> None:
    """No process of the killed one, at once; its keys go when the next one starts."""
    before = files(EXAMPLE)
    with mesh(folder) as process:
        until(lambda: len(psutil.Process(process.pid).children()) >= 4)
        process.kill()
    until(lambda: processes(folder) == [])
    assert list(folder.glob("tmp/*/certs/**/*.key"))

    with mesh(folder) as process:
        until(lambda: len(psutil.Process(process.pid).children()) >= 4)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130
    until(lambda: processes(folder) == [])
    assert (files(folder), files(EXAMPLE)) == (["here", "tmp"], before)


def test_nothing_is_left_of_a_mesh_that_is_asked_twice_to_end(folder: Path) -> None:
    """As by an impatient person, or by `make`, which passes on what its whole group got."""
    before = files(EXAMPLE)
    with mesh(folder) as process:
        assert process.stdout is not None
        assert any(line.startswith("# Ctrl-C") for line in process.stdout)
        assert len(processes(folder)) >= 20
        process.send_signal(signal.SIGTERM)
        until(lambda: is_stopping(folder))
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130
        assert "nothing is left" in process.stdout.read()
    until(lambda: processes(folder) == [])
    assert (files(folder), files(EXAMPLE)) == (["here", "tmp"], before)


@contextmanager
def mesh(folder: Path) -> Iterator[Started]:
    """`authz-dev up`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "authz_devkit.cli", "up"],
        cwd=folder / "here", env={**os.environ, "TMPDIR": str(folder / "tmp")},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    with process:
        try:
            yield process
        finally:
            process.kill()


def processes(folder: Path) -> list[int]:
    """All that were started with this folder, in command or environment."""
    return [process.pid for process in psutil.process_iter() if any(str(folder) in word for word in words(process))]


def words(process: psutil.Process) -> list[str]:
    reads: tuple[Callable[[], object], ...] = (process.cmdline, process.environ)
    found = []
    for read in reads:
        try:
            found.append(str(read()))
        except psutil.Error:  # it has ended, or is not ours
            continue
    return found


def is_stopping(folder: Path) -> bool:
    return any('"stopping"' in log.read_text() for log in folder.glob("tmp/*/logs/*.sidecar.log"))


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
