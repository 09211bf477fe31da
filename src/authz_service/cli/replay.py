"""`authz replay`: recorded decisions decided anew by other policies; which verdicts flip, for whom, by which rule."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO

import msgspec

from authz_rego import Policy
from authz_rego.errors import RegoError
from authz_service.cli.audit_files import opened
from authz_service.cli.documents import print_document
from authz_service.cli.letters import shown
from authz_service.cli.terminal import Terminal
from authz_service.cli.tree_lines import wrapped
from authz_service.domain.rules import PolicySource
from authz_service.mesh.decision_event import Recorded
from authz_service.mesh.load import CONFIG, load_mesh
from authz_service.mesh.replay import Flips, Policies, Replay, Verdicts, policies_of_mesh
from authz_service.policy.decide.engine import data_of
from authz_service.policy.sources.folder import read_policy_folder
from authz_service.policy.vetting.vet import check_policies

_FINE, _FLIPPED, _UNJUDGED = 0, 1, 2
_safe = partial(shown, one_line=True)
_decode = msgspec.json.Decoder(Recorded).decode
_decode_array = msgspec.json.Decoder(list[msgspec.Raw]).decode


class ReplayDocument(msgspec.Struct):
    """What `authz replay --format json` prints."""

    records: int
    judged: int
    alike: int
    gained: int
    lost: int
    flips: list[Flips]
    passed_over: dict[str, int]  # why, and how many
    lacking: dict[str, int]  # JSON pointers to what policies read and records lack
    first: str
    last: str


def replay(policies: Path, files: Sequence[str], *, query: str, fail_on: str, form: str) -> int:
    """0: no verdict flips that matters; 1: one does; 2: none can be judged. Raises OSError, EOFError and Problems."""
    verdicts = decided_anew(policies_at(policies, query), files)
    if form == "json":
        print_document(document(verdicts))
    else:
        Terminal().print(*_lines(verdicts))
    if not verdicts.judged:
        print("authz: none of these records could be decided anew", file=sys.stderr)
        return _UNJUDGED
    return _FLIPPED if any(_matters(flips, fail_on) for flips in verdicts.flips) else _FINE


def policies_at(place: Path, query: str) -> Policies:
    """A mesh, one configuration, or a folder of policies alone. Raises ConfigProblems and PolicyProblems."""
    if place.is_file() or next(place.rglob(CONFIG), None) is not None:
        return _vetted(policies_of_mesh(load_mesh(place), own_host=place.is_file()))

    def of_folder(_: str, rule: str) -> PolicySource | None:
        source = read_policy_folder(place, query or f"data.{rule.replace('/', '.')}")
        return source if query or _has_rule(source) else None

    return _vetted(of_folder)


def _has_rule(source: PolicySource) -> bool:
    """Records may be of several services. Policies that cannot be compiled have any: the vetting says what is wrong."""
    try:
        policy = Policy.compile(source.modules, data_of(source))
    except (RegoError, ValueError):
        return True
    return policy.documents.has(tuple(source.query.split(".")[1:]))


def _vetted(policies: Policies) -> Policies:
    """Checked as before they are served, when they are first needed: in a process of their own."""

    def checked(service: str, rule: str) -> PolicySource | None:
        source = policies(service, rule)
        if source is not None:
            check_policies(source)
        return source

    return checked


def decided_anew(policies: Policies, files: Sequence[str]) -> Verdicts:
    """Raises OSError, EOFError and PolicyProblems."""
    replayed = Replay(policies)
    for file in dict.fromkeys(files):
        with opened(file) as stream:
            for text in _events(stream):
                try:
                    event = _decode(text)
                except (msgspec.DecodeError, UnicodeDecodeError):
                    replayed.take_unreadable()
                    continue
                replayed.take(event)
    return replayed.verdicts()


def _events(stream: BinaryIO) -> Iterator[bytes | msgspec.Raw]:
    """One a line, or arrays as they are sent to a service."""
    for line in stream:
        if not line.startswith(b"["):
            if line.strip():
                yield line
            continue
        try:
            yield from _decode_array(line)
        except msgspec.DecodeError:
            yield b""


def document(verdicts: Verdicts) -> ReplayDocument:
    return ReplayDocument(
        records=verdicts.records,
        judged=verdicts.judged,
        alike=verdicts.alike,
        gained=sum(flips.count for flips in verdicts.flips if flips.gained),
        lost=sum(flips.count for flips in verdicts.flips if flips.lost),
        flips=list(verdicts.flips),
        passed_over=dict(verdicts.passed_over),
        lacking=dict(verdicts.lacking),
        first=verdicts.first,
        last=verdicts.last,
    )


def _matters(flips: Flips, fail_on: str) -> bool:
    return {"gained": flips.gained, "lost": flips.lost, "any": True, "nothing": False}[fail_on]


def _lines(verdicts: Verdicts) -> Iterator[str]:
    whole = document(verdicts)
    other = verdicts.judged - whole.alike - whole.gained - whole.lost
    span = f", {_safe(whole.first)} to {_safe(whole.last)}" if whole.first else ""
    yield from wrapped([f"{whole.records:,} recorded decisions{span}"], "", "  ")
    yield f"  {whole.judged:,} decided anew: {whole.alike:,} alike, {whole.gained:,} gained, {whole.lost:,} lost" + (
        f", {other:,} refused for another reason" if other else ""
    )
    for why, count in sorted(whole.passed_over.items()):
        yield f"  {count:,} passed over: {_safe(why)}"
    yield from _told(verdicts.flips)
    yield from _lacking(verdicts.lacking)


def _told(flips: Sequence[Flips]) -> Iterator[str]:
    """Below each rule the principals."""
    heading: tuple[str, ...] = ()
    for one in flips:
        found = (one.service, one.was, one.becomes, one.rule, one.place)
        if found != heading:
            heading = found
            mark = "[red]+[/]" if one.gained else "[yellow]-[/]" if one.lost else "[dim]·[/]"
            yield ""
            yield f"{mark} [bold]{_safe(one.service)}[/]: {one.was} → {one.becomes}"
            if one.rule:
                verb = "by" if one.gained else "stopped in"
                stopped = f": {_safe(one.line)}" if one.line else ""
                yield from wrapped([f"{verb} {_safe(one.rule)} ({_safe(one.place)}){stopped}"], "  ", "    ")
        unsure = f", {one.unsure:,} of them unsure" if one.unsure else ""
        who = f"{_safe(one.principal)}{f' by {_safe(one.client)}' if one.client else ''}"
        example = one.examples[0]
        what = f"{_safe(example.method)} {_safe(example.path)}, {_safe(example.correlation_id or example.decision_id)}"
        yield from wrapped([f"{one.count:,} {who}{unsure} [dim](as {what})[/]"], "    ", "      ")


def _lacking(lacking: Mapping[str, int]) -> Iterator[str]:
    if lacking:
        yield ""
        names = ", ".join(f"{_safe(pointer)} ({count:,})" for pointer, count in sorted(lacking.items()))
        text = f"The log leaves out what these policies may read: {names}. There a verdict may be another one."
        yield from wrapped([text], "[yellow]![/] ", "  ")
