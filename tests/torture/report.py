"""Shows a person what `make torture` does and what came of it, and writes the file. Decides nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import rich.progress
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from tests.torture.row import Row
from tests.torture.running import Result


class Display:
    """A bar for each row that is tried; where there is no terminal, a line before and after."""

    def __init__(self, console: Console) -> None:
        self._console = console
        columns = (
            TextColumn("[bold]{task.fields[id]:<3}[/] {task.description}"),
            BarColumn(),
            TextColumn("{task.completed:,} of {task.total:,}"),
            TimeElapsedColumn(),
        )
        self._bars = rich.progress.Progress(*columns, console=console, disable=not console.is_terminal)

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def begin(self, row: Row, size: int) -> rich.progress.TaskID:
        if not self._console.is_terminal:
            self._console.print(f"  … {row.id} {row.title}: {size:,}")
        return self._bars.add_task(row.title, total=size, id=row.id)

    def progress(self, bar: rich.progress.TaskID, tried: int) -> None:
        self._bars.update(bar, completed=tried)

    def end(self, bar: rich.progress.TaskID, result: Result) -> None:
        self._bars.remove_task(bar)
        mark = "[green]✓[/]" if result.held else "[red]✗[/]"
        count = f"{len(result.outcome.failures)} of {result.outcome.tried:,}"
        self._console.print(
            f"  {mark} [bold]{result.row.id:<3}[/] {result.row.title}: {count} [dim]{result.seconds:.0f} s[/]"
        )


def show_summary(console: Console, results: Sequence[Result]) -> None:
    """The table, then each deviation with its reason, then each failure."""
    table = Table(title="the hostile world", title_justify="left", header_style="bold", box=None, padding=(0, 1, 0, 0))
    for column in ("", "row", "what", "must hold", "failed of tried", "figures", "s"):
        table.add_column(column, overflow="fold")
    for result in results:
        outcome = result.outcome
        mark = "[green]✓[/]" if result.held else "[red]✗[/]"
        figures = ", ".join(f"{name} {value}" for name, value in outcome.figures.items())
        count = f"{len(outcome.failures)} of {outcome.tried:,}"
        row = result.row
        table.add_row(
            mark, row.id, row.title, row.promise, count, f"[dim]{escape(figures)}[/]", f"{result.seconds:.0f}"
        )
    console.print(table)
    for result in results:
        for deviation in result.outcome.deviations:
            console.print(f"[yellow]≠[/] {result.row.id} {escape(deviation)}")
    for result in results:
        if not result.held:
            console.print(f"[red]✗ {result.row.id}[/] {escape(result.outcome.detail(result.size))}")
    held = sum(result.held for result in results)
    console.print(f"[bold {'green' if held == len(results) else 'red'}]{held} of {len(results)} rows held[/]")


def write_json(path: Path, results: Sequence[Result]) -> None:
    """`{"expectations": [{"name", "held", "detail"}, …]}`, as `make demo` does."""
    rows = [
        {
            "name": f"{result.row.id} {result.row.title}: {result.row.promise}",
            "held": result.held,
            "detail": "; ".join([result.outcome.detail(result.size), *result.outcome.deviations]),
        }
        for result in results
    ]
    path.write_text(json.dumps({"expectations": rows}, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
