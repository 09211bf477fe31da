"""`authz suggest`: what a mesh grants and nobody used, as a list and as a patch to read. Applies nothing."""

from __future__ import annotations

import difflib
import re
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import msgspec

from authz_service.audit.reading import START
from authz_service.cli.audit_files import opened
from authz_service.cli.documents import print_document
from authz_service.cli.letters import shown
from authz_service.cli.terminal import Terminal
from authz_service.cli.tree_lines import wrapped
from authz_service.mesh.load import load_mesh
from authz_service.mesh.model import Mesh
from authz_service.mesh.replay import policies_of_mesh
from authz_service.mesh.suggest import Suggestion, Usage, Used

_safe = partial(shown, one_line=True)
_decode = msgspec.json.Decoder(Used).decode


class SuggestDocument(msgspec.Struct, frozen=True):
    """What `authz suggest --format json` prints."""

    records: int
    first: str
    last: str
    services: dict[str, int]  # records of each
    without_records: list[str]  # services of the mesh of which nothing is said
    suggestions: list[Suggestion]
    patch: str  # a unified diff, of the mesh's folder


def suggest(folder: Path, files: Sequence[str], form: str) -> int:
    """0: everything was used; 1: something was not; 2: there is no record. Raises what cannot be read."""
    mesh = load_mesh(folder)
    usage = Usage()
    for file in dict.fromkeys(files):
        with opened(file) as stream:
            for line in stream:
                start = line.find(START)
                if start < 0:
                    continue
                try:
                    usage.take(_decode(line[start:]))
                except (msgspec.DecodeError, UnicodeDecodeError):
                    continue
    found = usage.unused(mesh, policies_of_mesh(mesh), time.time())
    names = [one.config.service.name for one in mesh.sidecars.values()]
    absent = [name for name in names if name not in usage.services]
    patch = "".join(_patch(mesh, found))
    told = SuggestDocument(usage.records, usage.first, usage.last, dict(usage.services), absent, found, patch)
    if form == "json":
        print_document(told)
    else:
        Terminal().print(*_lines(told))
    return 2 if not usage.records else 1 if found else 0


def _lines(told: SuggestDocument) -> Iterator[str]:
    span = f", {_safe(told.first)} to {_safe(told.last)}" if told.records else ""
    yield f"{told.records:,} records of {len(told.services)} services{span}"
    if told.without_records:
        absent = ", ".join(map(_safe, told.without_records))
        yield from wrapped([f"without a record, so nothing is said of: {absent}"], "[yellow]![/] ", "  ")
    for one in told.suggestions:
        kind = one.kind.replace("_", " ")
        text = f"[bold]{_safe(one.file)}:{one.line}[/] {kind} {_safe(one.what)}: {_safe(one.why)}"
        yield from wrapped([text], "- ", "  ")
    if not told.suggestions and told.records:
        yield "everything that is granted was used"
    if told.patch:
        yield ""
        yield from (_safe(line) for line in told.patch.splitlines())


def _patch(mesh: Mesh, suggestions: Sequence[Suggestion]) -> Iterator[str]:
    """Of what can be taken out line by line; the rest is for who reads the list."""
    for name in dict.fromkeys(one.file for one in suggestions):
        try:
            before = (mesh.folder / name).read_text(encoding="utf-8").splitlines(keepends=True)
        except (OSError, UnicodeDecodeError):
            continue
        after: list[str | None] = [*before]
        for one in suggestions:
            if one.file == name:
                _take_out(before, after, one)
        kept = "".join(line for line in after if line is not None).splitlines(keepends=True)
        yield from difflib.unified_diff(before, kept, f"a/{name}", f"b/{name}", n=2)


def _take_out(before: Sequence[str], after: list[str | None], one: Suggestion) -> None:
    at = one.line - 1
    if not 0 <= at < len(before):
        return
    line = before[at]
    if one.kind in {"client", "route", "egress_route"} and line.lstrip().startswith("- "):
        for number in _block(before, at):
            after[number] = None
    elif one.kind == "methods":
        methods = f"methods: [{', '.join(one.keep)}]"
        written = re.sub(r"methods:\s*\[[^\]]*\]", methods, line)
        if written == line and re.match(r"\s*- path:", line):
            indent = " " * (len(line) - len(line.lstrip()) + 2)
            written = f"{line}{indent}{methods}\n"
        after[at] = written


def _block(lines: Sequence[str], at: int) -> Iterator[int]:
    """A list's item: its line, and what is further in."""
    indent = len(lines[at]) - len(lines[at].lstrip())
    yield at
    for number in range(at + 1, len(lines)):
        text = lines[number]
        if text.strip() and len(text) - len(text.lstrip()) <= indent:
            return
        if not text.strip():
            return
        yield number
