"""`authz lint`: what in a mesh cannot work, or should not be. Prints; the rules are `mesh.lint`'s."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec import Struct

from authz_service.cli.documents import print_document
from authz_service.cli.letters import shown
from authz_service.cli.terminal import Terminal
from authz_service.domain.version import product_version
from authz_service.mesh.lint.catalogue import BY_ID, RULES
from authz_service.mesh.lint.rule import Finding, Rule
from authz_service.mesh.lint.run import WITHOUT_REASON, Linted, lint
from authz_service.mesh.load import load_mesh

_COLOURS = {"error": "red", "warning": "yellow", "note": "cyan"}
_SARIF = "https://json.schemastore.org/sarif-2.1.0.json"


class SaidAt(Struct, frozen=True):
    """A line of a file below the mesh, and what it says; line 0: the whole file."""

    file: str
    line: int
    says: str


class LintFinding(Struct, frozen=True):
    """`here` and `there` disagree; `there` is null where one place is enough."""

    rule: str
    severity: str
    title: str
    here: SaidAt
    there: SaidAt | None
    fix: str


class LintDocument(Struct, frozen=True):
    """What `authz lint --format json` prints. Notes are no findings; ignored ones have a comment with a reason.

    `certificates_not_here`: files of the configurations, without which their handshakes are not judged.
    """

    findings: list[LintFinding]
    notes: list[LintFinding]
    ignored: list[LintFinding]
    certificates_not_here: list[str]


def lint_mesh(folder: Path, form: str, *, notes: bool) -> int:
    """0: nothing found; 1: errors or warnings."""
    linted = lint(load_mesh(folder), time.time())
    if form == "text":
        _print(Terminal(), linted, notes=notes)
    elif form == "json":
        print_document(document_of(linted))
    else:
        sys.stdout.write(_FORMS[form](linted, folder))
    return 1 if linted.findings else 0


def explain_rule(name: str) -> int:
    """0, or 2 for a rule that there is not."""
    rule = {**BY_ID, WITHOUT_REASON.id: WITHOUT_REASON}.get(name.upper())
    if rule is None:
        Terminal(stderr=True).print(shown(f"authz: there is no rule {name}; there are {', '.join(BY_ID)}"))
        return 2
    console = Terminal()
    console.print(f"[bold]{rule.id}[/] {rule.severity}: {shown(rule.title)}")
    console.print(f"  why  {shown(rule.why)}")
    console.print(f"  do   {shown(rule.do)}")
    console.print(shown(f"  left out by a comment in that line or above it: # authz-lint: ignore {rule.id} REASON"))
    return 0


def _print(console: Terminal, linted: Linted, *, notes: bool) -> None:
    for finding in (*linted.findings, *(linted.notes if notes else ())):
        console.print(*_lines(finding))
    errors = sum(one.rule.severity == "error" for one in linted.findings)
    counted = [_count(errors, "error"), _count(len(linted.findings) - errors, "warning")]
    if linted.notes:
        counted.append(f"{_count(len(linted.notes), 'note')}{'' if notes else ' (--notes)'}")
    if linted.ignored:
        counted.append(f"{len(linted.ignored)} ignored")
    console.print(f"{_count(len(linted.findings), 'finding')}: {', '.join(counted)}")
    lacking = linted.certificates_not_here
    if lacking:
        first = f"{lacking[0]}{f' and {len(lacking) - 1} more' if len(lacking) > 1 else ''}"
        said = "handshakes were not judged; files in mesh.yaml says where they are"
        console.print(shown(f"certificates are not here ({first}): {said}"))


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _lines(finding: Finding) -> Iterator[str]:
    rule, what = finding
    colour = _COLOURS[rule.severity]
    yield f"{shown(str(what.spot))} [{colour}]{rule.severity}[/] [bold]{rule.id}[/] {shown(rule.title)}"
    yield f"  here  {shown(what.found)}"
    if what.other is not None:
        yield f"  there {shown(str(what.other))} {shown(what.other_says)}"
    elif what.other_says:
        yield f"  there {shown(what.other_says)}"
    yield f"  do    {shown(what.fix)}"


def document_of(linted: Linted) -> LintDocument:
    found, notes, ignored = (
        [_finding(one) for one in some] for some in (linted.findings, linted.notes, linted.ignored)
    )
    return LintDocument(found, notes, ignored, [*linted.certificates_not_here])


def _finding(finding: Finding) -> LintFinding:
    rule, what = finding
    there = None
    if what.other is not None:
        there = SaidAt(what.other.file, what.other.line, what.other_says)
    elif what.other_says:
        there = SaidAt(what.spot.file, 0, what.other_says)
    here = SaidAt(what.spot.file, what.spot.line, what.found)
    return LintFinding(rule.id, rule.severity, rule.title, here, there, what.fix)


def _github(linted: Linted, folder: Path) -> str:
    """Workflow commands: annotations in a pull request."""
    lines = []
    for rule, what in (*linted.findings, *linted.notes):
        kind = {"note": "notice"}.get(rule.severity, rule.severity)
        place = f"file={_property(str(folder / what.spot.file))},line={max(what.spot.line, 1)}"
        title = _property(f"{rule.id} {rule.title}")
        lines.append(f"::{kind} {place},title={title}::{_data(_message(what.found, what.other_says, what.fix))}\n")
    return "".join(lines)


def _message(found: str, other: str, fix: str) -> str:
    return f"{found}; {other}. Fix: {fix}" if other else f"{found}. Fix: {fix}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _sarif(linted: Linted, folder: Path) -> str:
    """SARIF 2.1.0 (OASIS)."""
    rules = [_sarif_rule(rule) for rule in (WITHOUT_REASON, *RULES)]
    results = [_sarif_result(finding, folder) for finding in (*linted.findings, *linted.notes)]
    tool = {"driver": {"name": "authz lint", "version": product_version(), "rules": rules}}
    run = {"tool": tool, "results": results, "columnKind": "unicodeCodePoints"}
    return json.dumps({"$schema": _SARIF, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _sarif_rule(rule: Rule) -> dict[str, object]:
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.why},
        "help": {"text": rule.do},
        "defaultConfiguration": {"level": rule.severity},
    }


def _sarif_result(finding: Finding, folder: Path) -> dict[str, object]:
    rule, what = finding
    result: dict[str, object] = {
        "ruleId": rule.id,
        "level": rule.severity,
        "message": {"text": _message(what.found, what.other_says, what.fix)},
        "locations": [_location(folder, what.spot.file, what.spot.line)],
    }
    if what.other is not None:
        other = _location(folder, what.other.file, what.other.line)
        result["relatedLocations"] = [{**other, "message": {"text": what.other_says}}]
    return result


def _location(folder: Path, file: str, line: int) -> dict[str, object]:
    place = {"artifactLocation": {"uri": (folder / file).as_posix()}, "region": {"startLine": max(line, 1)}}
    return {"physicalLocation": place}


_FORMS: dict[str, Callable[[Linted, Path], str]] = {"sarif": _sarif, "github": _github}
