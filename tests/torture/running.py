"""Runs a row in a process of its own, within its budget, and leaves nothing behind. Shows nothing."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from tests.torture.row import Outcome, Progress, Row

from authz_service.parent_death import bound_to_us

_LONGEST_LINE = 1 << 24
_GRACE = 20.0  # seconds to put everything away
_SHOWN_LOG = 1500  # characters


class Result(NamedTuple):
    """A row and what came of it."""

    row: Row
    size: int
    outcome: Outcome
    seconds: float

    @property
    def held(self) -> bool:
        return self.outcome.held(self.size)


async def run_row(module: str, row: Row, size: int, budget: float, progress: Progress) -> Result:
    """A row that hangs, crashes or says nothing has failed. Its processes are gone at the end, cancelled or not."""
    folder = Path(tempfile.mkdtemp(prefix="torture-"))
    started = time.monotonic()
    command = bound_to_us([sys.executable, "-m", "tests.torture.one", module, str(size)])
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            env={**os.environ, "TMPDIR": str(folder)},
            limit=_LONGEST_LINE,
            start_new_session=True,
        )
    try:
        assert process.stdout is not None
        try:
            async with asyncio.timeout(budget):
                outcome = await _listen(process.stdout, progress)
                await process.wait()
        except TimeoutError:
            outcome = Outcome(0, [f"not done after {budget:.0f} s"])
        if outcome is None:
            await process.wait()
            outcome = Outcome(
                0, [f"ended with code {process.returncode}: …{(folder / 'log').read_text()[-_SHOWN_LOG:]}"]
            )
    finally:
        await _end(process)
        shutil.rmtree(folder, ignore_errors=True)
    return Result(row, size, outcome, time.monotonic() - started)


async def _listen(stream: asyncio.StreamReader, progress: Progress) -> Outcome | None:
    """Until it closes; None when there was no outcome."""
    outcome: Outcome | None = None
    while line := await stream.readline():
        message: dict[str, Any] = json.loads(line)
        if "tried" in message:
            progress(message["tried"])
        else:
            outcome = Outcome(**message["outcome"])
    return outcome


async def _end(process: asyncio.subprocess.Process) -> None:
    """SIGTERM lets it put its things away; after SIGKILL all that it started follows it (PR_SET_PDEATHSIG)."""
    if process.returncode is not None:
        return
    family = psutil.Process(process.pid).children(recursive=True)
    await _terminate(process)
    psutil.wait_procs(family, _GRACE)


async def _terminate(process: asyncio.subprocess.Process) -> None:
    for end in (process.terminate, process.kill):
        if process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            end()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), _GRACE)
