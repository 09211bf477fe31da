"""Matching a glob whose only choices are how far its stars reach. Not with alternatives in the middle (`glob_walk`)."""

from __future__ import annotations

from typing import Final

from authz_rego.builtins.bounds import beyond_bounds
from authz_rego.builtins.glob_nodes import FAILED, Choice, Node, Somewhere, Span, Star

_MOST_WORK: Final = 20_000_000  # characters looked at, about
_TRIAL: Final = 50  # so many could be looked at in the time of one trial


def stars_match(parts: list[Node], text: str) -> bool:
    """Whether the parts match all of the text; each star is tried at each place once, so that the work is bounded."""
    return _Search(parts, text).run()


def next_place(star: Star, text: str, at: int) -> int:
    """Where the star would go on if it took more, FAILED if it cannot."""
    if at == len(text):
        return FAILED
    if not star.following:
        return FAILED if text[at] in star.separators else at + 1
    place = text.find(star.following, at + 1)
    if place > 0:
        for separator in star.separators:
            if text.find(separator, at, place) >= 0:
                return FAILED
    return place


class _Search:
    __slots__ = ("_end", "_marks", "_parts", "_text", "_tried", "_work")

    def __init__(self, parts: list[Node], text: str) -> None:
        self._parts, self._text, self._end = parts, text, len(text)
        self._tried: set[int] = set()
        self._marks: list[tuple[int, int]] = [(0, 0)]  # a star, and where it goes on if it takes more
        self._work = 0

    def run(self) -> bool:
        while self._marks:
            if self._work > _MOST_WORK:
                raise beyond_bounds("glob.match", "a glob takes too long")
            if self._rest_end(*self._marks.pop()) == self._end:
                return True
        return False

    def _rest_end(self, place: int, at: int) -> int:
        """Where the parts from `place` on end when each star takes nothing more, or FAILED."""
        text, count = self._text, len(self._parts)
        for part in self._parts[place:]:
            if isinstance(part, Star) and not part.last:
                known = len(self._tried)
                self._tried.add(at * count + place)
                if len(self._tried) == known:
                    return FAILED
                following = next_place(part, text, at)
                self._work += _TRIAL + (self._end if following < 0 else following) - at
                if following >= 0:
                    # A star without separators can reach all that the stars before it could.
                    if not part.separators:
                        self._marks.clear()
                    self._marks.append((place, following))
            else:
                if isinstance(part, Span | Somewhere | Choice):
                    self._work += self._end - at
                at = part.match(text, at)
                if at < 0:
                    return FAILED
            place += 1
        return at
