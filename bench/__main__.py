"""`python -m bench [--json FILE]`: the figures of DESIGN §8 in one run. docs/performance.md says how to read them."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path

from rich.console import Console

from authz_devkit.demo.mesh import MeshError
from bench.figures import Figure, print_figures, write_json
from bench.footprint import measure_footprint
from bench.load import BenchError, require_wrk
from bench.rounds import Rounds
from bench.scenarios import measure, scenarios
from bench.stage import Stage


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures here")
    parser.add_argument("--rounds", type=int, default=5, help="of each comparison (default 5)")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each side of a round (default 3)")
    parser.add_argument("--only", default="", metavar="WORD", help="only the comparisons whose name has this word")
    options = parser.parse_args()
    # As after an installation: compiled once, then read from the cache.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    console = Console() if sys.stdout.isatty() else Console(width=120)
    try:
        found = asyncio.run(_until_interrupted(console, options))
    except (BenchError, MeshError) as error:
        sys.exit(f"bench: {error}")
    print_figures(found, console)
    if options.json:
        write_json(found, options.json)


async def _until_interrupted(console: Console, options: argparse.Namespace) -> list[Figure]:
    task = asyncio.ensure_future(_run(console, options))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        sys.exit("interrupted; everything is stopped")


async def _run(console: Console, options: argparse.Namespace) -> list[Figure]:
    require_wrk()
    stage = Stage()
    found: list[Figure] = []
    try:
        with console.status("starting the identity provider") as status:
            await stage.start_identity_provider()
            if not options.only:
                status.update("start to ready, and memory, of one sidecar")
                found += await measure_footprint(stage)
            status.update("starting three sidecars, their bare twins and their neighbours; signing tokens")
            await stage.start_all()
            for scenario in await scenarios(stage):
                if options.only in scenario.part:
                    status.update(scenario.part)
                    found += await measure(scenario, Rounds(options.rounds, options.seconds))
    finally:
        await stage.stop()
    return found


if __name__ == "__main__":
    main()
