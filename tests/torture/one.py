"""`python -m tests.torture.one MODULE SIZE`: tries one row, and tells its parent by JSON lines. For `__main__` alone.

A process per row: one that hangs is ended with everything it started, and cannot disturb the next.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from dataclasses import asdict
from typing import TextIO

from tests.support.live import Live
from tests.torture.registry import load_row
from tests.torture.row import Outcome

_PAUSE = 0.1  # seconds between two reports


class Reports:
    """Progress and outcome, a line each."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._next = stream, 0.0

    def progress(self, tried: int) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _PAUSE
            self._write({"tried": tried})

    def outcome(self, outcome: Outcome) -> None:
        self._write({"outcome": asdict(outcome)})

    def _write(self, message: dict[str, object]) -> None:
        print(json.dumps(message), file=self._stream, flush=True)


def main() -> None:
    module, size = sys.argv[1], int(sys.argv[2])
    reports = Reports(os.fdopen(os.dup(1), "w"))
    os.dup2(2, 1)  # whatever else is printed is no report
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does: everything is put away
    row = load_row(module)
    live = Live()
    try:
        live.start()
        reports.outcome(asyncio.run(_run(row.run(live, size, reports.progress))))
    finally:
        live.stop()


async def _run(row: object) -> Outcome:
    outcome = await row  # type: ignore[misc]
    assert isinstance(outcome, Outcome)
    return outcome


if __name__ == "__main__":
    main()
