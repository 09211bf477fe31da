"""`authz trail`: the records of one correlation id, from every sidecar's audit, as one tree. Reads and prints."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import msgspec

from authz_service.audit.record import CANDIDATE, AuditRecord
from authz_service.audit.searching import Searcher
from authz_service.audit.trail import Collector, Hop, Note, Trail, milliseconds_between, needles
from authz_service.cli.audit_files import STANDARD_INPUT, opened
from authz_service.cli.letters import shown
from authz_service.cli.terminal import Terminal
from authz_service.cli.tree_lines import branches, wrapped

_WHOLE, _NOT_WHOLE = 0, 1
_PAUSE = 0.2  # seconds between two looks at files that are followed


class HopDocument(msgspec.Struct):
    record: AuditRecord
    file: str
    line: int
    below: int | None  # the place, in this list, of the hop that made the call
    depth: int


class NoteDocument(msgspec.Struct):
    kind: str  # begins | clock | gap | missing | no_record_of_caller | no_record_of_callee | torn
    text: str
    open: bool  # whether these files may not be all of it
    file: str = ""
    line: int = 0


class TrailDocument(msgspec.Struct):
    """What `authz trail --format json` prints."""

    correlation_id: str
    whole: bool
    hops: list[HopDocument]
    notes: list[NoteDocument]


def show_trail(correlation_id: str, files: Sequence[str], form: str) -> int:
    """0: all of it is here; 1: nothing, or not all. Raises OSError and EOFError."""
    collector = Collector(correlation_id)
    collect(collector, correlation_id, files)
    trail = collector.joined()
    if form == "json":
        print(json.dumps(msgspec.to_builtins(document(correlation_id, trail)), indent=2))
    else:
        Terminal().print(*text_lines(correlation_id, trail))
    return _WHOLE if trail.is_whole else _NOT_WHOLE


def collect(collector: Collector, correlation_id: str, files: Sequence[str]) -> None:
    """Raises OSError and EOFError."""
    for file in dict.fromkeys(files):
        with opened(file) as stream:
            for found in Searcher(stream.read, needles(correlation_id)).found(to_the_end=True):
                collector.take(file, found)


def document(correlation_id: str, trail: Trail) -> TrailDocument:
    return TrailDocument(correlation_id, trail.is_whole, list(map(_hop, trail.hops)), list(map(_note, trail.notes)))


def _hop(hop: Hop) -> HopDocument:
    return HopDocument(hop.record, hop.place.file, hop.place.line, hop.below, hop.depth)


def _note(note: Note) -> NoteDocument:
    file, line = note.place or ("", 0)
    return NoteDocument(note.kind, note.text, note.open, file, line)


# Following


class _Followed:
    """One file, and whatever is added to it; a new file of its name is read after the old one's end."""

    def __init__(self, file: str, correlation_id: str) -> None:
        self.file, self._needles = file, needles(correlation_id)
        self._begin()

    def _begin(self) -> None:
        self._stream = opened(self.file)
        self._searcher = Searcher(self._stream.read, self._needles)

    def take_new(self, collector: Collector) -> None:
        for found in self._searcher.found():
            collector.take(self.file, found)
        if self.file != STANDARD_INPUT and self._was_rotated():
            for found in self._searcher.found(to_the_end=True):
                collector.take(self.file, found)
            self._stream.close()
            self._begin()

    def _was_rotated(self) -> bool:
        try:
            there = Path(self.file).stat()
        except FileNotFoundError:
            return False
        here = self._stream.fileno()
        return not Path(f"/proc/self/fd/{here}").samefile(self.file) or there.st_size < self._stream.tell()


def follow_trail(correlation_id: str, files: Sequence[str], form: str) -> int:
    """Print each hop as its record is written, until the command is ended. Raises OSError and EOFError."""
    collector = Collector(correlation_id)
    terminal = Terminal()
    try:
        followed = [_Followed(file, correlation_id) for file in dict.fromkeys(files)]
        printed: set[tuple[str, str]] = set()
        while True:
            for one in followed:
                one.take_new(collector)
            for hop in collector.joined().hops:
                key = (hop.record.decision_id, hop.record.event)
                if key not in printed:
                    printed.add(key)
                    _tell(terminal, hop, form)
            time.sleep(_PAUSE)
    except KeyboardInterrupt:
        return _WHOLE


def _tell(terminal: Terminal, hop: Hop, form: str) -> None:
    if form == "json":
        print(msgspec.json.encode(_hop(hop)).decode(), flush=True)
        return
    first = "  " * min(hop.depth, _DEEPEST)
    terminal.print(*wrapped(_hop_lines(hop.record, None, {}), first, f"{first}  "))
    sys.stdout.flush()


# Text

_safe = partial(shown, one_line=True)  # a record may be anybody's
# Anybody can send one id again and again.
_MOST = 500  # hops, and remarks
_DEEPEST = 12  # steps to the right

_KINDS = {"end": "end of ", "exchange": "token exchange for ", CANDIDATE: "the candidate policy on "}


def text_lines(correlation_id: str, trail: Trail) -> Iterator[str]:
    """Markup for a terminal."""
    if not trail.hops:
        yield f"{_safe(correlation_id)}: no record of it is in these files"
    else:
        yield f"[bold]{_safe(correlation_id)}[/]: {_summary(trail.hops)}"
        start = trail.hops[0].record
        names = {hop.record.user_id: hop.record.user_name for hop in trail.hops if hop.record.user_name}
        depths = [min(hop.depth, _DEEPEST) for hop in trail.hops[:_MOST]]
        for at, (first, rest) in enumerate(branches(depths)):
            yield from wrapped(_hop_lines(trail.hops[at].record, start, names), first, rest)
        if len(trail.hops) > _MOST:
            yield f"… and {len(trail.hops) - _MOST:,} more; --format json has them all"
    if len(trail.notes) > _MOST:
        yield f"… of {len(trail.notes):,} remarks the first {_MOST}:"
    for note in trail.notes[:_MOST]:
        place = f" ({_safe(str(note.place))})" if note.place else ""
        yield from wrapped([f"{_safe(note.text)}{place}"], "[yellow]![/] " if note.open else "[dim]·[/] ", "  ")


def _summary(hops: Sequence[Hop]) -> str:
    services = len({hop.record.service for hop in hops})
    hops = [hop for hop in hops if hop.record.event != CANDIDATE] or hops
    refused = sum(hop.record.decision != "allow" for hop in hops)
    count = f"{len(hops)} decision{'s' if len(hops) > 1 else ''} at {services} service{'s' if services > 1 else ''}"
    first = min(hop.record.time for hop in hops)
    return f"{count}, {refused or 'none'} refused, from {_safe(first)}"


def _hop_lines(record: AuditRecord, start: AuditRecord | None, names: Mapping[str, str]) -> list[str]:
    """What it was, then what came of it and why, then who it was."""
    allowed = record.decision == "allow"
    mark = "[green]✓[/]" if allowed else "[red]✗[/]"
    mark = "[dim]?[/]" if record.event == CANDIDATE else mark  # nobody was answered so
    zone = f" ({_safe(record.zone)})" if record.zone else ""
    what = f"{_KINDS.get(record.event, '')}{_safe(record.method)} {_safe(record.path)}"
    when = _safe(record.time[11:23])
    if start is not None and start is not record:
        when = f"+{milliseconds_between(start, record)}\N{NO-BREAK SPACE}ms"
    title = f"{mark} [bold]{_safe(record.service)}[/]{zone} {what}  [dim]{when}[/]"
    reasons = "; ".join(_safe(reason) for reason in record.reasons)
    answer = f"[{'green' if allowed else 'red'}]{_safe(record.reason)}[/]" + (f": {reasons}" if reasons else "")
    shadow = " [yellow](shadow: the policy would have refused)[/]" if record.shadow else ""
    return [title, f"{answer}{shadow}", f"[dim]{_who(record, names)}[/]"]


def _who(record: AuditRecord, names: Mapping[str, str]) -> str:
    """`names`: of users whose id alone stands in a record of a service that acts for them."""
    who = record.user_name or record.user_id or record.calling_service or "nobody"
    parts = [f"token of {_safe(who)}"]
    if record.calling_service and record.calling_service != who:
        parts.append(f"issued to {_safe(record.calling_service)}")
    if record.user_context not in {"", record.user_id}:
        parts.append(f"for {_safe(names.get(record.user_context, record.user_context))}")
    via = f"certificate {_safe(record.mtls_client)}" if record.mtls_client else "no client certificate"
    return f"{', '.join(parts)} · {via} · {_took(record.duration_us)}"


def _took(microseconds: int) -> str:
    return (
        f"{microseconds}\N{NO-BREAK SPACE}µs"
        if microseconds < 1000
        else f"{microseconds / 1000:.1f}\N{NO-BREAK SPACE}ms"
    )
