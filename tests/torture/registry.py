"""Finds the rows: each module `tests/attacks/a3_….py`, `tests/faults/f1_….py` has one, as `ROW`. Knows none by name."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable
from pathlib import Path

from tests.torture.row import Row

_TESTS = Path(__file__).resolve().parents[1]
_FOLDERS = ("attacks", "faults")
_MODULE = re.compile(r"([afp])([0-9]+)_\w+")


def row_modules() -> dict[str, str]:
    """Row id to module name, in the order of the matrix."""
    found = [
        (match[1], int(match[2]), f"tests.{folder}.{path.stem}")
        for folder in _FOLDERS
        for path in (_TESTS / folder).glob("*.py")
        if (match := _MODULE.fullmatch(path.stem))
    ]
    return {f"{letter.upper()}{number}": module for letter, number, module in sorted(found)}


def load_row(module: str) -> Row:
    row = importlib.import_module(module).ROW
    assert isinstance(row, Row), module
    return row


def load_rows(only: Iterable[str] = ()) -> dict[str, Row]:
    """Module name to row. Raises ValueError when an id of `only` does not exist."""
    modules, wanted = row_modules(), {one.strip().upper() for one in only if one.strip()}
    if unknown := sorted(wanted - modules.keys()):
        raise ValueError(f"no such row: {', '.join(unknown)}; there are {', '.join(modules)}")
    return {module: load_row(module) for id_, module in modules.items() if not wanted or id_ in wanted}
