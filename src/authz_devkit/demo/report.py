"""Shows a person what the demo does: progress, hops, the audit tree, the matrix. Decides nothing."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Self

import rich.progress
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, TextColumn
from rich.table import Table
from rich.text import Text

from authz_devkit.demo import trail
from authz_devkit.demo.caller import POD
from authz_devkit.demo.matrix import Cell
from authz_devkit.demo.matrix_run import Tried
from authz_devkit.demo.mesh import Mesh
from authz_devkit.demo.play import Expectation, Step

_MARKS = {"starting": "[yellow]…[/]", "ready": "[green]✓[/]", "stopped": "[dim]■[/]"}


class Progress:
    """A line per process while the mesh starts; plain lines where there is no terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._states: dict[str, str] = {}
        self._live = Live(console=console, transient=True, auto_refresh=False) if console.is_terminal else None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def event(self, name: str, state: str) -> None:
        self._states[name] = state
        if self._live is not None:
            table = Table.grid(padding=(0, 1))
            for process, now in self._states.items():
                table.add_row(_MARKS.get(now, " "), process, f"[dim]{now}[/]")
            self._live.update(table, refresh=True)
        elif state == "ready":
            self._console.print(f"  {_MARKS[state]} {name}")


@contextlib.contextmanager
def counting(console: Console, total: int) -> Iterator[Callable[[], None]]:
    """A bar that moves by one at each call."""
    columns = (TextColumn("trying {task.completed} of {task.total} requests"), BarColumn())
    with rich.progress.Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda: bar.advance(task)


def show_step(console: Console, step: Step) -> None:
    """One hop as the client saw it."""
    answer = step.answer
    mark = "[green]✓[/]" if step.expectation.held else "[red]✗ " + escape(step.expectation.detail) + "[/]"
    reason = f" [dim]{answer.reason}[/]" if answer.reason else ""
    said = f"[bold]{step.who}[/] {escape(step.what)}"
    console.print(f"  {mark} {said} [dim]→[/] {answer.status}{reason} [dim]{answer.seconds * 1000:.1f} ms[/]")


def show_trail(console: Console, mesh: Mesh, title: str, correlation_id: str) -> None:
    """Each hop of one request with its decision and time."""
    console.print(f"[bold]{escape(title)}[/], as `authz trail` shows it")
    console.print(Text.from_ansi(trail.tree(mesh, correlation_id, colours=console.is_terminal)), soft_wrap=True)


def show_matrix(console: Console, tried: Sequence[Tried], total: int) -> None:
    """Every arrow that exists, then every forbidden one: what answered and why, alike ones counted together."""
    everyone, every_token = {_caller(row.cell) for row in tried}, {row.cell.token for row in tried}
    arrows, forbidden = _entries(), _entries()
    for rows in _groups(tried):
        cell = rows[0].cell
        mark = "[green]✓[/]" if rows[0].held else "[red]✗[/]"
        sources = _listed([_caller(row.cell) for row in rows], everyone, "anybody")
        tokens = _listed([row.cell.token for row in rows], every_token, "any, or none")
        what = f"{cell.method} {_short(cell.path)}" if cell.reached else f"{len(rows)} tried"
        outcome = f"[{'green' if cell.reached else 'yellow'}]{escape(rows[0].outcome)}[/]"
        unexpected = "" if rows[0].held else f" [red]expected {escape(rows[0].expected)}[/]"
        call = f"to [bold]{cell.destination}[/] from {sources} [dim]·[/] token: {tokens} [dim]·[/] {escape(what)}"
        table = arrows if cell.reached else forbidden
        table.add_row(mark, f"{call}\n[dim]→[/] {outcome}{unexpected} [dim]· {escape(cell.because)}[/]")
    console.print("[bold]the arrows that exist[/]", arrows, sep="\n")
    console.print(f"[bold]forbidden: {sum(not row.cell.reached for row in tried)} requests tried live[/]")
    console.print(forbidden)
    if len(tried) < total:
        console.print(f"[dim]one request of each kind; `authz-dev demo --full` and the tests try all {total}[/]")


def _entries() -> Table:
    """A mark and what it is about: lines end between words however narrow the terminal is."""
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column()
    table.add_column(overflow="fold")
    return table


def _listed(names: list[str], every: set[str], word_for_all: str) -> str:
    return word_for_all if set(names) == every else ", ".join(dict.fromkeys(names))


def _caller(cell: Cell) -> str:
    return cell.source if cell.certificate == "none" else f"{cell.source} ({cell.certificate})"


def _short(path: str) -> str:
    return re.sub(r"/0{32}$", "/{id}", path)


def _groups(tried: Sequence[Tried]) -> list[list[Tried]]:
    """Alike outcomes for alike reasons; where a service was reached, request by request."""
    groups: dict[tuple[str, ...], list[Tried]] = {}
    for row in tried:
        cell = row.cell
        key = (cell.destination, row.outcome, cell.because, str(row.held))
        own = (cell.token, cell.method, cell.path) if cell.reached else ()
        groups.setdefault(key + own, []).append(row)
    order = list(POD)
    return sorted(groups.values(), key=lambda rows: order.index(rows[0].cell.destination))


def show_summary(console: Console, expectations: Sequence[Expectation], mesh: Mesh) -> None:
    broken = [expectation for expectation in expectations if not expectation.held]
    for expectation in broken:
        console.print(f"[red]✗ {escape(expectation.name)}[/]: {escape(expectation.detail)}")
    colour = "green" if not broken else "red"
    console.print(f"[bold {colour}]{len(expectations) - len(broken)} of {len(expectations)} expectations held[/]")
    if broken:  # else nothing is left of it
        console.print(f"logs: {mesh.logs}   audit: {mesh.folder / 'audit'}", soft_wrap=True)


def write_json(path: Path, expectations: Sequence[Expectation]) -> None:
    """`{"expectations": [{"name", "held", "detail"}, …]}`"""
    rows = [{"name": e.name, "held": e.held, "detail": e.detail} for e in expectations]
    path.write_text(json.dumps({"expectations": rows}, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
