"""What one mesh lets in that another did not. Pure: two matrices in, differences out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from authz_service.mesh.matrix.resources import Asked
from authz_service.mesh.matrix.table import ANYBODY, Caller, Cell, Matrix, SidecarTable

Kind = Literal["gained", "lost"]
_ORDER = {"deny": 0, "if": 1, "allow": 2}


class Change(NamedTuple):
    """Of one caller at one sidecar. What was not there before was denied."""

    kind: Kind
    sidecar: str
    caller: Caller
    method: str
    path: str
    before: Cell
    after: Cell


def changes(old: Matrix, new: Matrix) -> list[Change]:
    """Both must have asked the same (`MatrixMaker`'s `more`)."""
    names = dict.fromkeys([one.name for one in (*new.sidecars, *old.sidecars)])
    return [change for name in names for change in _of_sidecar(name, old.find(name), new.find(name))]


def _of_sidecar(name: str, old: SidecarTable | None, new: SidecarTable | None) -> Iterator[Change]:
    callers = {row.caller.key: row.caller for table in (old, new) if table is not None for row in table.rows}
    columns = dict.fromkeys(asked for table in (new, old) if table is not None for asked in table.columns)
    for key, caller in callers.items():
        if caller.principal == ANYBODY:
            continue
        for asked in columns:
            before, after = _cell(old, key, asked), _cell(new, key, asked)
            rank = _ORDER[after.answer] - _ORDER[before.answer]
            if rank or before.conditions != after.conditions:
                kind: Kind = "lost" if rank < 0 else "gained"
                yield Change(kind, name, caller, asked.method, asked.path, before, after)


def _cell(table: SidecarTable | None, key: tuple[str, str, str], asked: Asked) -> Cell:
    found = None if table is None else table.find(key, asked)
    return found or Cell(asked.method, asked.path, "deny", "not there")
