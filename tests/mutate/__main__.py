"""`python -m tests.mutate [--json FILE] [--only WORD]`: break the product in one place; the tests must see it.

First every selected test runs on an unbroken copy and must pass: else a red test would prove nothing.
"""

from __future__ import annotations

import argparse
import os
import queue
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table
from tests.mutate.mutation import Mutation
from tests.mutate.mutations import MUTATIONS
from tests.mutate.workplace import Workplace

_PATIENCE = 300.0  # seconds for the tests of one mutation; the unbroken copy has as many for each
_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)
_RED, _GREEN = 1, 0  # pytest's exit codes


@dataclass(frozen=True, slots=True)
class Outcome:
    mutation: Mutation
    caught: bool
    detail: str  # the test that saw it, or what happened instead


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.mutate", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the outcome here")
    parser.add_argument("--only", default="", metavar="WORD", help="only those whose name or file has this word")
    options = parser.parse_args()
    chosen = [mutation for mutation in MUTATIONS if options.only in f"{mutation.name} {mutation.file}"]
    console = Console() if sys.stdout.isatty() else Console(width=160)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("interrupted"))
    with tempfile.TemporaryDirectory(prefix="authz-mutate-") as folder:
        outcomes = _run(
            chosen, [Workplace(Path(folder) / str(number)) for number in range(os.cpu_count() or 1)], console
        )
    if options.json:
        _write_json(outcomes, options.json)
    _show(outcomes, console)
    sys.exit(0 if outcomes and all(outcome.caught for outcome in outcomes) else 1)


def _run(mutations: Sequence[Mutation], workplaces: Sequence[Workplace], console: Console) -> list[Outcome]:
    workplaces[0].require_copy_in_use()
    selections = sorted({selection for mutation in mutations for selection in mutation.tests})
    free: queue.SimpleQueue[Workplace] = queue.SimpleQueue()
    for workplace in workplaces:
        free.put(workplace)

    with Progress(console=console) as progress, ThreadPoolExecutor(len(workplaces)) as threads:
        bar = progress.add_task("the tests on the unbroken product", total=None)
        code, output = _tested(workplaces[0], selections, _PATIENCE * len(selections))
        if code != _GREEN:
            sys.exit(f"the tests fail on the unbroken product (pytest: {code}):\n{output[-4000:]}")

        def one(mutation: Mutation) -> Outcome:
            workplace = free.get()
            try:
                with workplace.mutated(mutation):
                    outcome = _judged(mutation, *_tested(workplace, mutation.tests, _PATIENCE))
            finally:
                free.put(workplace)
            progress.update(
                bar, advance=1, description=f"{'caught' if outcome.caught else 'SURVIVED'}: {mutation.name}"
            )
            return outcome

        progress.update(bar, total=len(mutations), description="mutations")
        return list(threads.map(one, mutations))


def _tested(workplace: Workplace, selection: Sequence[str], patience: float) -> tuple[int | None, str]:
    """Pytest's exit code, None when it took too long, and what it printed. Leaves no process."""
    process = workplace.start_tests(selection)
    try:
        output, _ = process.communicate(timeout=patience)
    except subprocess.TimeoutExpired:
        return None, ""
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return process.returncode, output


def _judged(mutation: Mutation, code: int | None, output: str) -> Outcome:
    """Only a failed test counts: a module that cannot be imported, say, is a bad mutation."""
    if code == _RED:
        failed = _FAILED.search(output)
        return Outcome(mutation, caught=True, detail=failed[1] if failed else "a test failed")
    if code == _GREEN:
        return Outcome(mutation, caught=False, detail="every test passed")
    if code is None:
        return Outcome(mutation, caught=False, detail=f"no result within {_PATIENCE:.0f} s")
    return Outcome(mutation, caught=False, detail=f"pytest ended with {code}: {output[-300:]}")


def _show(outcomes: Sequence[Outcome], console: Console) -> None:
    table = Table(box=None, pad_edge=False)
    for title in ("", "mutation", "file", "seen by"):
        table.add_column(title)
    for outcome in outcomes:
        verdict = "[green]caught[/green]" if outcome.caught else "[red]survived[/red]"
        place = outcome.mutation.file.removeprefix("src/authz_service/")
        table.add_row(verdict, outcome.mutation.name, place, escape(outcome.detail))
    console.print(table)
    survivors = sum(not outcome.caught for outcome in outcomes)
    console.print(f"\n{len(outcomes)} mutations, {survivors} survived")


def _write_json(outcomes: Sequence[Outcome], file: Path) -> None:
    rows = [{"name": outcome.mutation.name, "held": outcome.caught, "detail": outcome.detail} for outcome in outcomes]
    file.write_bytes(msgspec.json.format(msgspec.json.encode({"expectations": rows}), indent=1) + b"\n")


if __name__ == "__main__":
    main()
