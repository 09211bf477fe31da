"""Shows a person what the demo does: progress, hops, the audit tree, the matrix. Decides nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from authz_devkit.demo import trail
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


def show_step(console: Console, step: Step) -> None:
    """One hop as the client saw it."""
    answer = step.answer
    mark = "[green]✓[/]" if step.expectation.held else "[red]✗ " + escape(step.expectation.detail) + "[/]"
    reason = f" [dim]{answer.reason}[/]" if answer.reason else ""
    said = f"[bold]{step.who}[/] {escape(step.what)}"
    console.print(f"  {mark} {said} [dim]→[/] {answer.status}{reason} [dim]{answer.seconds * 1000:.1f} ms[/]")


def show_trail(console: Console, mesh: Mesh, correlation_id: str) -> None:
    found = trail.records(mesh, correlation_id)
    console.print(
        trail.tree(f"audit trail of {correlation_id}: {len(found)} decisions, joined from four sidecars", found)
    )


def show_matrix(console: Console, tried: Sequence[Tried]) -> None:
    """The drawn arrows, then every forbidden one: what answered, and why; equal outcomes are counted together."""
    table = Table(title=f"security matrix: {len(tried)} requests tried live", title_justify="left", header_style="bold")
    for column in ("source", "destination", "certificate", "token", "request", "outcome", ""):
        table.add_column(column, overflow="fold")
    for row in tried:
        cell = row.cell
        colour = "green" if row.reached else "dim"
        mark = "[green]✓[/]" if row.held else f"[red]✗ expected {escape(row.expected)}[/]"
        request = f"{cell.method} {cell.path}"
        table.add_row(
            cell.source,
            cell.destination,
            cell.certificate,
            cell.token,
            request,
            f"[{colour}]{escape(row.outcome)}[/]",
            mark,
        )
    console.print(table)


def show_summary(console: Console, expectations: Sequence[Expectation], mesh: Mesh) -> None:
    broken = [expectation for expectation in expectations if not expectation.held]
    for expectation in broken:
        console.print(f"[red]✗ {escape(expectation.name)}[/]: {escape(expectation.detail)}")
    colour = "green" if not broken else "red"
    console.print(f"[bold {colour}]{len(expectations) - len(broken)} of {len(expectations)} expectations held[/]")
    console.print(f"logs: {mesh.logs}   audit: {mesh.folder / 'audit'}", soft_wrap=True)


def write_json(path: Path, expectations: Sequence[Expectation]) -> None:
    """`{"expectations": [{"name", "held", "detail"}, …]}`"""
    rows = [{"name": e.name, "held": e.held, "detail": e.detail} for e in expectations]
    path.write_text(json.dumps({"expectations": rows}, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
