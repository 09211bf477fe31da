"""One measured number with its goal, and how a person and a program read them. Not the measuring."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

_SIGNS = {"≤": "__le__", "≥": "__ge__"}


@dataclass(frozen=True, slots=True)
class Goal:
    """`≤ 40` or `≥ 0.55`."""

    sign: str
    bound: float

    def is_held_by(self, value: float) -> bool:
        compare: Callable[[float], bool] = getattr(value, _SIGNS[self.sign])
        return compare(self.bound)

    def __str__(self) -> str:
        return f"{self.sign} {self.bound:g}"


def at_most(bound: float) -> Goal:
    return Goal("≤", float(bound))


def at_least(bound: float) -> Goal:
    return Goal("≥", float(bound))


@dataclass(frozen=True, slots=True)
class Figure:
    """`part` groups the table; `name` is unique within it."""

    part: str
    name: str
    value: float
    unit: str
    goal: Goal | None = None

    @property
    def held(self) -> bool | None:
        return None if self.goal is None else self.goal.is_held_by(self.value)


def table(figures: list[Figure]) -> Table:
    shown = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("", "value", "unit", "goal", ""):
        shown.add_column(title, justify="right" if title in {"value", "goal"} else "left")
    part = ""
    for figure in figures:
        if figure.part != part:
            part = figure.part
            shown.add_row()
            shown.add_row(f"[bold]{part}[/bold]")
        verdict = {None: "", True: "[green]held[/green]", False: "[red]not held[/red]"}[figure.held]
        goal = "" if figure.goal is None else str(figure.goal)
        shown.add_row(f"  {figure.name}", number(figure.value), figure.unit, goal, verdict)
    return shown


def number(value: float) -> str:
    """Three figures, thousands whole."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.{2 if abs(value) < 10 else 1 if abs(value) < 100 else 0}f}"


def write_json(figures: list[Figure], file: Path) -> None:
    rows = [
        {
            "name": f"{figure.part}: {figure.name}",
            "value": round(figure.value, 4),
            "unit": figure.unit,
            "goal": None if figure.goal is None else str(figure.goal),
            "held": figure.held,
        }
        for figure in figures
    ]
    file.write_bytes(msgspec.json.format(msgspec.json.encode({"figures": rows}), indent=1) + b"\n")


def print_figures(figures: list[Figure], console: Console) -> None:
    console.print(table(figures))
    goals = [figure for figure in figures if figure.held is not None]
    console.print(f"\n{sum(bool(figure.held) for figure in goals)} of {len(goals)} goals held.")
