"""The matrix as one HTML page: stands alone, works offline, asks nobody, holds nothing but what the files say.

Without JavaScript it is all there; with it, it can be filtered: `/` to write, Escape to clear, keys alone are enough.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator, Sequence
from html import escape
from importlib import resources

from authz_service.mesh.matrix.changes import Change
from authz_service.mesh.matrix.resources import Asked
from authz_service.mesh.matrix.table import Cell, Matrix, Row, SidecarTable


def page(
    matrix: Matrix,
    changes: Sequence[Change] | None,
    caller_text: Callable[[Row], str],
    cell_text: Callable[[Cell], str],
) -> str:
    """No asset from elsewhere, and a policy that forbids any."""
    parts = [*_changes(changes, cell_text)] if changes is not None else []
    parts += [part for table in matrix.sidecars for part in _section(table, caller_text, cell_text)]
    files = resources.files("authz_service.cli")
    style, script = (files.joinpath(f"matrix_page.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
    allowed = f"style-src '{_hash(style)}'; script-src '{_hash(script)}'"
    policy = f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'"
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Who may do what</title>
<style>{style}</style>
</head>
<body>
<header>
<h1>Who may do what</h1>
<form role="search" hidden>
<input type="search" aria-label="Filter the rows" placeholder="Filter: a service, a user, a path, a reason">
<label><input type="checkbox" id="only"> only who may do something</label>
<span class="count" role="status"></span>
<span class="hint">/ to filter, Esc to clear</span>
</form>
</header>
<main>
{"".join(parts)}
</main>
<script>{script}</script>
</body>
</html>
"""


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _section(table: SidecarTable, caller_text: Callable[[Row], str], cell_text: Callable[[Cell], str]) -> Iterator[str]:
    zone = f" <small>{escape(table.zone)}</small>" if table.zone else ""
    keep = ' data-keep="1"' if table.unjudged else ""
    yield f'<section{keep}><h2>{escape(table.name)}{zone} <small class="file">{escape(table.file)}</small></h2>'
    if table.unjudged:
        yield f"<p>Not judged: {escape(table.unjudged)}</p></section>"
        return
    label = escape(f"Who may do what at {table.name}")
    yield f'<div class="scroll" tabindex="0" role="region" aria-label="{label}"><table><thead><tr>'
    yield '<th scope="col">caller</th>'
    used = [asked for number, asked in enumerate(table.columns) if _is_anybodys(table, number)]
    yield "".join(f'<th scope="col">{escape(asked.method)} {escape(asked.path)}</th>' for asked in used)
    yield "</tr></thead><tbody>"
    for row in sorted(table.rows, key=lambda row: not _may(row)):
        yield _row(table, row, caller_text(row), cell_text, frozenset(used))
    yield "</tbody></table></div>"
    never = [f"{asked.method} {asked.path}" for asked in table.columns if asked not in used]
    yield f'<p class="never">Nobody may: {escape(", ".join(never))}</p></section>' if never else "</section>"


def _is_anybodys(table: SidecarTable, number: int) -> bool:
    """Whether somebody may do what the column asks."""
    return any(row.cells[number].answer != "deny" for row in table.rows if row.cells)


def _may(row: Row) -> bool:
    return any(cell.answer != "deny" for cell in row.cells)


def _row(table: SidecarTable, row: Row, who: str, cell_text: Callable[[Cell], str], columns: frozenset[Asked]) -> str:
    certificate = row.caller.certificate + (" (assumed)" if row.caller.assumed else "")
    shown = [cell for cell in row.cells if Asked(cell.method, cell.path) in columns]
    cells = [f'<td class="{cell.answer}">{escape(cell_text(cell))}{_by(table, cell)}</td>' for cell in shown]
    if row.refused and columns:
        cells = [f'<td class="deny" colspan="{len(columns)}">{escape(row.refused)}</td>']
    allowed = " ".join(f"{cell.method} {cell.path}" for cell in row.cells if cell.answer != "deny")
    text = escape(f"{table.name} {table.zone} {certificate} {who} {row.refused} {allowed}", quote=True)
    head = f'<th scope="row">{escape(who)}<br><small>{escape(certificate)}</small></th>'
    return f'<tr data-may="{int(_may(row))}" data-text="{text}">{head}{"".join(cells)}</tr>'


def _by(table: SidecarTable, cell: Cell) -> str:
    return (
        f"<br><small>by {escape(cell.by)}</small>" if cell.answer == "deny" and cell.by not in {"", table.name} else ""
    )


def _changes(changes: Sequence[Change], cell_text: Callable[[Cell], str]) -> Iterator[str]:
    gained = sum(change.kind == "gained" for change in changes)
    yield f'<section data-keep="1"><h2>{gained} gained, {len(changes) - gained} lost</h2>'
    if not changes:
        yield "</section>"
        return
    yield '<div class="scroll" tabindex="0" role="region" aria-label="Changes"><table><thead><tr>'
    yield "".join(f'<th scope="col">{name}</th>' for name in ("", "sidecar", "caller", "request", "before", "after"))
    yield "</tr></thead><tbody>"
    for change in changes:
        who = f"{change.caller.principal}, {change.caller.certificate}"
        texts = (
            change.sidecar,
            who,
            f"{change.method} {change.path}",
            cell_text(change.before),
            cell_text(change.after),
        )
        text = escape(" ".join((change.kind, *texts)), quote=True)
        cells = "".join(f"<td>{escape(one)}</td>" for one in texts)
        yield f'<tr data-may="1" data-text="{text}"><td class="{change.kind}">{change.kind}</td>{cells}</tr>'
    yield "</tbody></table></div></section>"
