"""All rules over a mesh; what is ignored by a comment with a reason is left out, and counted.

`# authz-lint: ignore AZ303 the gateway has no such path` stands in the line of the finding or above it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from authz_service.mesh.ground import Ground
from authz_service.mesh.lint.catalogue import RULES
from authz_service.mesh.lint.certificates import not_here
from authz_service.mesh.lint.rule import Finding, Found, Rule
from authz_service.mesh.model import Mesh
from authz_service.mesh.spot import Spot

_IGNORE = re.compile(r"#\s*authz-lint:\s*ignore\s+([A-Z]{2}[0-9]{3}(?:\s*,\s*[A-Z]{2}[0-9]{3})*)\s*(.*)")
WITHOUT_REASON = Rule(
    "AZ002",
    "warning",
    "something is ignored without a reason",
    "nobody knows later whether it still holds",
    "write the reason behind the ids",
    lambda _: iter(()),
)


@dataclass(frozen=True, slots=True)
class Linted:
    findings: tuple[Finding, ...]  # errors and warnings
    notes: tuple[Finding, ...]
    ignored: tuple[Finding, ...]
    certificates_not_here: tuple[str, ...] = ()  # files, without which nobody can judge a handshake


def lint(mesh: Mesh, now: float, rules: Sequence[Rule] = RULES) -> Linted:
    """In the order of files and lines."""
    ground = Ground(mesh, now)
    found = sorted({Finding(rule, what) for rule in rules for what in rule.check(ground)}, key=lambda one: one.order)
    comments = _Comments(mesh.folder)
    ignored = [one for one in found if comments.ignores(one)]
    left = [one for one in found if one not in ignored]
    left += [Finding(WITHOUT_REASON, what) for what in comments.without_reason(ground)]
    left.sort(key=lambda one: one.order)
    return Linted(
        tuple(one for one in left if one.rule.severity != "note"),
        tuple(one for one in left if one.rule.severity == "note"),
        tuple(ignored),
        tuple(not_here(mesh)),
    )


class _Comments:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lines: dict[str, list[str]] = {}

    def ignores(self, finding: Finding) -> bool:
        """A comment without a reason ignores nothing."""
        spots = [finding.what.spot, *([] if finding.what.other is None else [finding.what.other])]
        for spot in spots:
            lines = self._of(spot.file)
            for number in (spot.line, spot.line - 1):
                comment = _IGNORE.search(lines[number - 1]) if 0 < number <= len(lines) else None
                if comment is not None and finding.rule.id in comment[1] and comment[2].strip():
                    return True
        return False

    def without_reason(self, ground: Ground) -> list[Found]:
        """In configurations and policies."""
        sidecars = ground.mesh.sidecars.values()
        files = dict.fromkeys(file for one in sidecars for file in (one.shown, *ground.policy_files(one)))
        found = []
        for file in files:
            for number, line in enumerate(self._of(file), 1):
                comment = _IGNORE.search(line)
                if comment is not None and not comment[2].strip():
                    fix = "write the reason behind the ids"
                    found.append(Found(Spot(file, number), f"{comment[1]} is ignored without a reason", fix))
        return found

    def _of(self, file: str) -> list[str]:
        if file not in self._lines:
            try:
                self._lines[file] = (self._folder / file).read_text(encoding="utf-8").splitlines()
            except (OSError, ValueError):
                self._lines[file] = []
        return self._lines[file]
