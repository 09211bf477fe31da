"""A rule and what it finds. Not the rules themselves (`catalogue`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from authz_service.mesh.ground import Ground
from authz_service.mesh.realm_file import Principal
from authz_service.mesh.spot import Spot

_MOST_NAMES = 12
# error: a call that cannot work; warning: one that works, and should be looked at; note: what the files only imply.
Severity = Literal["error", "warning", "note"]


class Found(NamedTuple):
    """What a rule says of one place; the two that disagree side by side."""

    spot: Spot
    found: str
    fix: str
    other: Spot | None = None
    other_says: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    id: str
    severity: Severity
    title: str
    why: str  # what goes wrong
    do: str
    check: Callable[[Ground], Iterator[Found]]


class Finding(NamedTuple):
    rule: Rule
    what: Found

    @property
    def order(self) -> tuple[str, int, str, str]:
        return self.what.spot.file, self.what.spot.line, self.rule.id, self.what.found


def named(principals: Iterable[Principal]) -> str:
    """All of them, with those who are alike."""
    names = list(dict.fromkeys(name for one in principals for name in (one.alike or (one.name,))))
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
