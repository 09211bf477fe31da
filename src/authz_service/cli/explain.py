"""`authz explain`: one request through a whole mesh, offline, up to the first no. Prints; the following is `mesh`'s."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from authz_rego.explain import Tried
from authz_service.cli.documents import print_document
from authz_service.cli.letters import shown
from authz_service.cli.terminal import Terminal
from authz_service.cli.tried import body_lines, short_value
from authz_service.mesh.asked import AskedFor
from authz_service.mesh.hop import Hop, Journey
from authz_service.mesh.journey import Travel
from authz_service.mesh.load import load_mesh
from authz_service.mesh.spot import Spot
from authz_service.mesh.steps import Step

_MARKS = {True: "[green]✓[/]", False: "[red]✗[/]", None: "[yellow]·[/]"}
_CODES = {"allowed": 0, "refused": 1, "unknown": 2}


class TriedReport(Struct, frozen=True):
    """One body of a rule that was tried, and the line where it stopped, with the values there as JSON."""

    rule: str
    file: str
    line: int
    held: bool
    default: bool  # it held because no other body of the rule did
    times: int
    stopped_line: int
    text: str
    values: list[str]


class RefusalReport(Struct, frozen=True):
    """The first no. `status` 0: the handshake ends, there is no answer."""

    reason: str
    status: int
    detail: str
    place: Spot | None
    fix: str
    tried: list[TriedReport]


class HopReport(Struct, frozen=True):
    """What one sidecar did: `in` through its ingress, `out` through its egress."""

    sidecar: str
    direction: str
    method: str
    path: str
    certificate: str
    token: str
    steps: list[Step]
    refusal: RefusalReport | None


class ExplainDocument(Struct, frozen=True):
    """What `authz explain --format json` prints."""

    outcome: str  # allowed | refused | unknown
    hops: list[HopReport]
    reached: str
    onward: list[str]
    unknown: str


def explain(folder: Path, asked: AskedFor, form: str) -> int:
    """0: it reaches the service; 1: it is refused; 2: the files here do not tell."""
    mesh = load_mesh(folder)
    for problem in mesh.problems:
        Terminal(stderr=True).print(f"[yellow]![/] {shown(str(problem))}")
    journey = Travel(mesh, time.time).follow(asked)
    if form == "json":
        print_document(report_of(journey))
    else:
        print_journey(Terminal(), journey)
    return _CODES[journey.outcome]


def report_of(journey: Journey) -> ExplainDocument:
    return ExplainDocument(
        journey.outcome, [_hop(hop) for hop in journey.hops], journey.reached, [*journey.onward], journey.why_unknown
    )


def _hop(hop: Hop) -> HopReport:
    refusal = None
    if hop.reason:
        tried = [_tried(one, hop.policies) for one in hop.tried]
        refusal = RefusalReport(hop.reason, hop.status, hop.detail, hop.spot, hop.fix, tried)
    return HopReport(hop.sidecar, hop.direction, hop.method, hop.path, hop.certificate, hop.token, hop.lines, refusal)


def _tried(one: Tried, folder: str) -> TriedReport:
    file = f"{folder}/{one.place.file}"
    values = [short_value(value) for value in one.values]
    return TriedReport(
        one.rule, file, one.place.row, one.held, one.default, one.times, one.stopped.row, one.line, values
    )


def print_journey(console: Terminal, journey: Journey) -> None:
    for number, hop in enumerate(journey.hops, 1):
        way = "sends" if hop.direction == "out" else "gets"
        console.print(shown(f"{number}. {hop.sidecar} {way} {hop.method} {hop.path}"))
        console.print(*map(_line, hop.lines), *(f"       {shown(text)}" for text in body_lines(hop.tried)))
    console.print(*_end(journey))


def _line(line: Step) -> str:
    return f"   {_MARKS[line.holds]} {shown(f'{line.name}: {line.said}')}"


def _end(journey: Journey) -> Iterator[str]:
    refused = journey.refused
    if refused is not None:
        status = f"{refused.status} " if refused.status else ""
        yield f"[bold red]refused[/] by {shown(refused.sidecar)}: {status}{shown(refused.reason)}"
        if refused.detail:
            yield f"  why   {shown(refused.detail)}"
        if refused.spot is not None:
            yield f"  where {shown(str(refused.spot))}"
        yield f"  do    {shown(refused.fix)}"
    elif journey.outcome == "unknown":
        yield f"[bold yellow]not judged[/] {shown(journey.why_unknown)}"
    else:
        yield f"[bold green]allowed[/] it reaches {shown(journey.reached)}"
        if journey.onward:
            yield "  what the service does then is its own; from there it may call, as itself:"
            for way in journey.onward:
                yield f"    {shown(way)}"
