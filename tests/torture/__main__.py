"""`python -m tests.torture [--json FILE] [--only A3,F1] [--sample]`: the test matrix of docs/security.md, whole."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import time
from functools import partial
from pathlib import Path

from rich.console import Console
from tests.torture.registry import load_rows
from tests.torture.report import Display, show_summary, write_json
from tests.torture.row import ALL_ROWS_SECONDS, Row
from tests.torture.running import Result, run_row


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the outcome here")
    parser.add_argument("--only", default="", metavar="A3,F1", help="only these rows")
    parser.add_argument("--sample", action="store_true", help="in the size of `make test`")
    options = parser.parse_args()
    console = Console() if sys.stdout.isatty() else Console(width=160)
    try:
        rows = load_rows(options.only.split(","))
    except ValueError as error:
        sys.exit(f"torture: {error}")
    results = asyncio.run(_until_interrupted(console, rows, sample=options.sample))
    show_summary(console, results)
    if options.json:
        write_json(options.json, results)
    sys.exit(0 if all(result.held for result in results) else 1)


async def _until_interrupted(console: Console, rows: dict[str, Row], *, sample: bool) -> list[Result]:
    task = asyncio.ensure_future(_run(console, rows, sample=sample))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        sys.exit("interrupted; everything is stopped")


async def _run(console: Console, rows: dict[str, Row], *, sample: bool) -> list[Result]:
    """One after the other: each may load both cores."""
    end = time.monotonic() + ALL_ROWS_SECONDS
    results = []
    with Display(console) as display:
        for module, row in rows.items():
            size = row.sample if sample else row.full
            bar = display.begin(row, size)
            budget = min(row.budget, end - time.monotonic())
            result = await run_row(module, row, size, budget, partial(display.progress, bar))
            display.end(bar, result)
            results.append(result)
    return results


if __name__ == "__main__":
    main()
