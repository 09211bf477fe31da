"""`authz matrix`: who may do what at every sidecar of a mesh. Prints; the asking is `mesh.matrix`'s."""

from __future__ import annotations

import csv
import io
import sys
import time
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path

import msgspec
from msgspec import Struct

from authz_service.cli.documents import print_document
from authz_service.cli.letters import shown
from authz_service.cli.matrix_page import page
from authz_service.cli.terminal import Terminal
from authz_service.mesh.load import load_mesh
from authz_service.mesh.matrix.changes import Change, changes
from authz_service.mesh.matrix.table import ANYBODY, Cell, Matrix, MatrixMaker, Row, SidecarTable


class MatrixCaller(Struct, frozen=True):
    """A certificate and whose token comes with it. `refused`: the same reason for every request, so no cells."""

    certificate: str
    certificate_assumed: bool
    principal: str
    kind: str
    client: str
    alike: tuple[str, ...]
    refused: str
    cells: tuple[Cell, ...]


class MatrixSidecar(Struct, frozen=True):
    """`unjudged`: why there is nothing to say of it."""

    name: str
    zone: str
    file: str
    unjudged: str
    callers: list[MatrixCaller]


class MatrixChange(Struct, frozen=True):
    """With --against: `gained` or `lost` since the other mesh."""

    kind: str
    sidecar: str
    certificate: str
    principal: str
    client: str
    method: str
    path: str
    before: str
    after: str


class MatrixDocument(Struct, frozen=True):
    """What `authz matrix --format json` prints; `changes` only with --against."""

    sidecars: list[MatrixSidecar]
    changes: list[MatrixChange]


def print_matrix(folder: Path, form: str, against: Path | None, fail_on: str) -> int:
    """0; 1 when something is gained or lost and `fail_on` says so; 2 when a sidecar cannot be judged."""
    now = time.time()
    new = MatrixMaker(load_mesh(folder), now).make()
    found: list[Change] | None = None
    if against is not None:
        asked = {one.name: one.columns for one in new.sidecars}
        old = MatrixMaker(load_mesh(against), now, asked).make()
        new = MatrixMaker(load_mesh(folder), now, {one.name: one.columns for one in old.sidecars}).make()
        found = changes(old, new)
    if form == "text":
        _print(Terminal(), new, found)
    elif form == "json":
        print_document(document_of(new, found))
    else:
        sys.stdout.write(_FORMS[form](new, found))
    kinds = {change.kind for change in found or ()}
    if kinds & {"gained": {"gained"}, "lost": {"lost"}, "any": {"gained", "lost"}, "nothing": set[str]()}[fail_on]:
        return 1
    return 2 if any(one.unjudged for one in new.sidecars) else 0


def _print(console: Terminal, matrix: Matrix, found: list[Change] | None) -> None:
    if found is not None:
        console.print(*map(_change_line, found))
        gained = sum(change.kind == "gained" for change in found)
        console.print(f"{gained} gained, {len(found) - gained} lost")
        return
    for table in matrix.sidecars:
        console.print(f"[bold]{shown(table.name)}[/] {shown(f'({table.file})')}")
        if table.unjudged:
            console.print(f"  [yellow]not judged[/] {shown(table.unjudged)}")
        console.print(*_table_lines(table))


def _table_lines(table: SidecarTable) -> Iterator[str]:
    for certificate, rows in groupby(table.rows, key=lambda row: row.caller.certificate):
        callers = list(rows)
        if callers[0].caller.principal == ANYBODY:
            continue
        about = " (not here: assumed)" if callers[0].caller.assumed else ""
        yield shown(f"  certificate {certificate}{about}" if certificate != "none" else "  without a certificate")
        for row in callers:
            if not row.refused:
                yield from _row_lines(row)
        for reason, names in _refused(callers):
            yield f"    [red]{shown(reason)}[/] {shown(', '.join(names))}"
    others = [row for row in table.rows if row.caller.principal == ANYBODY]
    for reason in dict.fromkeys(row.refused for row in others):
        names = [row.caller.certificate for row in others if row.refused == reason]
        yield f"  [red]{shown(reason)}[/] certificate {shown(', '.join(names))}"


def _row_lines(row: Row) -> Iterator[str]:
    yield f"    [bold]{shown(caller_text(row))}[/]"
    may = [f"{cell.method} {cell.path}" for cell in row.cells if cell.answer == "allow"]
    if may:
        yield f"      [green]may[/] {shown(', '.join(may))}"
    elif all(cell.answer == "deny" for cell in row.cells):
        reasons = dict.fromkeys(cell.reason for cell in row.cells)
        yield f"      nothing is allowed ({shown(', '.join(reasons))})"
    for cell in row.cells:
        if cell.answer == "if":
            yield f"      [yellow]if[/]  {shown(f'{cell.method} {cell.path}: ' + ' and '.join(cell.conditions))}"


def caller_text(row: Row) -> str:
    caller = row.caller
    others = [name for name in caller.alike if name != caller.principal]
    alike = f" (as {', '.join(others[:3])}{' …' if len(others) > 3 else ''})" if others else ""
    client = f" [{caller.client}]" if caller.client else ""
    return f"{caller.principal}{alike}{client}"


def _refused(rows: list[Row]) -> list[tuple[str, list[str]]]:
    found: dict[str, list[str]] = {}
    for row in rows:
        if row.refused:
            found.setdefault(row.refused, []).append(row.caller.principal)
    return [(reason, list(dict.fromkeys(names))) for reason, names in found.items()]


def cell_text(cell: Cell) -> str:
    """As one word or sentence."""
    if cell.answer == "if":
        return " and ".join(cell.conditions)
    return "allow" if cell.answer == "allow" else cell.reason


def _change_line(change: Change) -> str:
    colour = "red" if change.kind == "gained" else "cyan"
    who = f"{change.caller.principal} over {change.caller.certificate}"
    what = f"{change.sidecar}: {who}: {change.method} {change.path}"
    return (
        f"[{colour}]{change.kind}[/] {shown(what)} ({shown(f'{cell_text(change.before)} → {cell_text(change.after)}')})"
    )


def document_of(matrix: Matrix, found: list[Change] | None) -> MatrixDocument:
    return MatrixDocument([_sidecar(one) for one in matrix.sidecars], [_change(change) for change in found or ()])


def _sidecar(table: SidecarTable) -> MatrixSidecar:
    return MatrixSidecar(table.name, table.zone, table.file, table.unjudged, [_row(row) for row in table.rows])


def _row(row: Row) -> MatrixCaller:
    caller = row.caller
    who = (caller.certificate, caller.assumed, caller.principal, caller.kind, caller.client, caller.alike)
    return MatrixCaller(*who, row.refused, row.cells)


def _change(change: Change) -> MatrixChange:
    caller = change.caller
    before, after = cell_text(change.before), cell_text(change.after)
    who = (caller.certificate, caller.principal, caller.client)
    return MatrixChange(change.kind, change.sidecar, *who, change.method, change.path, before, after)


def _csv(matrix: Matrix, found: list[Change] | None) -> str:
    """One line for each answer."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if found is not None:
        writer.writerow(MatrixChange.__struct_fields__)
        writer.writerows(_safe(msgspec.structs.astuple(_change(change))) for change in found)
        return text.getvalue()
    writer.writerow(("sidecar", "certificate", "principal", "client", "method", "path", "answer", "reason", "by", "if"))
    for table in matrix.sidecars:
        for row in table.rows:
            who = (table.name, row.caller.certificate, row.caller.principal, row.caller.client)
            if row.refused:
                writer.writerow(_safe((*who, "*", "*", "deny", row.refused, table.name, "")))
            for cell in row.cells:
                answer = (cell.method, cell.path, cell.answer, cell.reason, cell.by, " and ".join(cell.conditions))
                writer.writerow(_safe((*who, *answer)))
    return text.getvalue()


def _safe(values: tuple[str, ...]) -> tuple[str, ...]:
    """A spreadsheet takes what begins with these for a formula."""
    return tuple(f"'{value}" if value.startswith(("=", "+", "-", "@", "\t")) else value for value in values)


def _markdown(matrix: Matrix, found: list[Change] | None) -> str:
    lines: list[str] = []
    if found is not None:
        lines += ["| | sidecar | caller | request | before | after |", "|---|---|---|---|---|---|"]
        for change in found:
            who = f"{change.caller.principal}, {change.caller.certificate}"
            cells = (change.kind, change.sidecar, who, f"{change.method} {change.path}")
            lines.append(_md_row((*cells, cell_text(change.before), cell_text(change.after))))
        return "\n".join(lines) + "\n"
    for table in matrix.sidecars:
        lines += [f"## {table.name}", ""]
        if table.unjudged:
            lines += [f"Not judged: {_md(table.unjudged)}", ""]
        columns = [f"{asked.method} {asked.path}" for asked in table.columns]
        lines.append(_md_row(("certificate", "whose token", *columns)))
        lines.append("|" + "---|" * (len(columns) + 2))
        for row in table.rows:
            texts = [cell_text(cell) for cell in row.cells] or [row.refused] * len(columns)
            lines.append(_md_row((row.caller.certificate, caller_text(row), *texts)))
        lines.append("")
    return "\n".join(lines)


def _md_row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(map(_md, cells)) + " |"


def _md(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def _html(matrix: Matrix, found: list[Change] | None) -> str:
    return page(matrix, found, caller_text, cell_text)


_FORMS: dict[str, Callable[[Matrix, list[Change] | None], str]] = {
    "csv": _csv,
    "md": _markdown,
    "html": _html,
}
