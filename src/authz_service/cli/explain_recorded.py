"""`authz explain MESH --correlation-id ID AUDIT…`: what really happened, and what the files say to it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from authz_service.audit.trail import Collector, Trail
from authz_service.cli.documents import print_document
from authz_service.cli.explain import ExplainDocument, print_journey, report_of
from authz_service.cli.letters import shown
from authz_service.cli.terminal import Terminal
from authz_service.cli.trail import TrailDocument, collect, document, text_lines
from authz_service.mesh.door import Unjudged
from authz_service.mesh.hop import Journey
from authz_service.mesh.journey import Travel
from authz_service.mesh.load import load_mesh
from authz_service.mesh.model import Mesh
from authz_service.mesh.recorded import Recorded, agrees, first_no


class ExplainRecordedDocument(msgspec.Struct, frozen=True):
    """What `authz explain --correlation-id --format json` prints."""

    trail: TrailDocument
    explained: ExplainDocument | None  # of the first no; null where nothing was refused or lost
    agrees: bool | None  # whether the files say what was recorded


def explain_recorded(folder: Path, correlation_id: str, files: Sequence[str], form: str) -> int:
    """0: nothing was refused, and all is here; 1: something was, or is missing; 2: it cannot be told.

    Raises OSError and EOFError, and what a mesh that cannot be read raises.
    """
    mesh = load_mesh(folder)
    collector = Collector(correlation_id)
    collect(collector, correlation_id, files)
    trail = collector.joined()
    recorded = first_no(mesh, trail)
    journey = None if recorded is None else _followed(mesh, recorded)
    if form == "json":
        report = None if journey is None else report_of(journey)
        agreed = None if recorded is None or journey is None else agrees(recorded, mesh, journey)
        print_document(ExplainRecordedDocument(document(correlation_id, trail), report, agreed))
    else:
        _print(mesh, correlation_id, trail, recorded, journey)
    if recorded is None:
        return 0 if trail.is_whole else 1
    return 1 if journey is None or journey.outcome != "unknown" else 2


def _followed(mesh: Mesh, recorded: Recorded) -> Journey:
    try:
        return Travel(mesh, time.time).follow(recorded.asked)
    except Unjudged as unknown:
        return Journey((), "unknown", str(unknown))


def _print(mesh: Mesh, correlation_id: str, trail: Trail, recorded: Recorded | None, journey: Journey | None) -> None:
    console = Terminal()
    console.print(*text_lines(correlation_id, trail))
    if recorded is None or journey is None:
        if trail.hops:
            console.print("Nothing of it was refused.")
        return
    asked, record = recorded.asked, recorded.hop.record
    who = f" of {asked.source}" if asked.source else f" as {asked.principal}" if asked.principal else ""
    console.print("")
    console.print(f"[bold]Why, by the files here:[/] {shown(f'{asked.method} {asked.target}{who}', one_line=True)}")
    print_journey(console, journey)
    if agrees(recorded, mesh, journey):
        console.print("[dim]· this is what was recorded[/]")
    else:
        told = f"{record.reason} at {record.service}" if recorded.refused else f"sent on by {record.service}, and lost"
        console.print(
            f"[yellow]![/] recorded was: {shown(told)}. The files, the token or the certificate were other ones then"
        )
        console.print(*(f"  {shown(line, one_line=True)}" for line in _difference(recorded, journey)))


def _difference(recorded: Recorded, journey: Journey) -> Iterator[str]:
    """What came, beside what the files would send; and where the recorded reason is explained."""
    record = recorded.hop.record
    if not recorded.refused:
        return
    given = journey.hops[-1].certificate if journey.hops else ""
    came = record.mtls_client
    if came and given and came not in re.split(r"[,=]", given):
        who = record.calling_service or "nobody"
        yield f"recorded: token of {who} with certificate {came}; the files give {given}"
    yield f"the page of reasons says what {record.reason} means, and what to do"
