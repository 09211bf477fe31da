"""A tree as lines of a terminal: what stands before each entry, and where its lines end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.text import Text

from authz_service.cli.terminal import line_starts

_WIDTH = 80


def branches(depths: Sequence[int]) -> Iterator[tuple[str, str]]:
    """For each entry, in depth-first order: what its first line begins with, and its others."""
    for at, depth in enumerate(depths):
        below = at + 1 < len(depths) and depths[at + 1] > depth
        stem = "".join("│  " if _goes_on(depths, at, level) else "   " for level in range(1, depth))
        first = "" if not depth else f"{stem}{'├─ ' if _goes_on(depths, at, depth) else '└─ '}"
        rest = "" if not depth else f"{stem}{'│  ' if _goes_on(depths, at, depth) else '   '}"
        yield first, rest + ("│ " if below else "  ")


def _goes_on(depths: Sequence[int], at: int, level: int) -> bool:
    """Whether another entry of this level comes below the same one above."""
    following = next((depth for depth in depths[at + 1 :] if depth <= level), 0)
    return following == level


def wrapped(markups: Sequence[str], first: str, rest: str) -> Iterator[str]:
    """Markup in lines of 80 columns at most, unless a word is longer."""
    before = first
    for markup in markups:
        text = Text.from_markup(markup)
        room = _WIDTH - Text.from_markup(rest).cell_len
        for line in text.divide(line_starts(text.plain, room)):
            line.rstrip()
            yield before + line.markup
            before = rest
