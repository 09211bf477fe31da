"""Matching a glob with alternatives in the middle, the way gobwas walks. Not with stars only (`glob_stars`).

gobwas forgets places to go on from which it takes for needless, and so misses some matches: `*{abcd,b}**c?X?Y` does not
match `abcdXcY`. We walk as it does, for a bounded number of steps. A walk that takes longer is given up for a search
that misses nothing: what that does not find gobwas does not find either.
"""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

from authz_rego.builtins.bounds import beyond_bounds
from authz_rego.builtins.glob_nodes import FAILED, Choice, Node, Sequence, Star
from authz_rego.builtins.glob_stars import next_place

_MOST_STEPS: Final = 100_000
_CHARACTERS_A_STEP: Final = 64  # as many are searched through in the time of a step
_MOST_PLACES: Final = 5_000_000

# Which part was taken, from the root down.
_Path: TypeAlias = tuple[int, ...]


class _Mark(NamedTuple):
    """A place to go on from."""

    at: int
    path: _Path
    is_star: bool


def walk(root: Node, text: str) -> bool:
    """Raises EvaluationError for a match that gobwas may or may not find."""
    found = _Walk(root, text).run()
    if found is not None:
        return found
    if not _could_match(root, text):
        return False
    raise beyond_bounds("glob.match", "a glob takes too long")


class _Walk:
    def __init__(self, root: Node, text: str) -> None:
        self._root, self._text, self._end = root, text, len(text)
        self._stars: list[_Mark] = []
        self._choices: list[_Mark] = []
        self._steps = 0
        self._by_star = False  # we go on from a star

    def run(self) -> bool | None:
        """None if it takes too long."""
        at = 0
        path: _Path = ()
        while self._steps < _MOST_STEPS:
            if self._walk(self._root, at, path, 0, 0) == self._end:
                return True
            if not self._stars and not self._choices:
                return False
            at, path, self._by_star = (self._stars or self._choices).pop()
        return None

    def _walk(self, node: Node, at: int, path: _Path, depth: int, floor: int) -> int:
        """Where the match of a node ends, or FAILED. Marks below `floor` are not to be forgotten."""
        self._steps += 1
        if isinstance(node, Sequence):
            place = path[depth] if depth < len(path) else 0
            while True:
                at = self._walk(node.parts[place], at, path, depth + 1, floor)
                place += 1
                if at == FAILED or place == len(node.parts):
                    return at
                path = _turned(path, depth, place)
        if isinstance(node, Choice) and not node.closed:
            place = path[depth] if depth < len(path) else 0
            known = len(path)
            # On the way to a deeper mark the next part has been marked before.
            is_new = depth >= known or (depth == known - 1 and not self._by_star)
            if is_new and place + 1 < len(node.parts):
                self._choices.append(_Mark(at, _turned(path, depth, place + 1), is_star=False))
            return self._walk(node.parts[place], at, path, depth + 1, len(self._stars))
        if isinstance(node, Star) and not node.last:
            self._mark(node, at, path, depth, floor)
            return at
        return node.match(self._text, at)

    def _mark(self, star: Star, at: int, path: _Path, depth: int, floor: int) -> None:
        place = next_place(star, self._text, at)
        self._steps += ((self._end if place < 0 else place) - at) // _CHARACTERS_A_STEP
        if place < 0:
            return
        if not star.separators:
            del self._stars[floor:]
        self._stars.append(_Mark(place, path + (0,) * (depth - len(path)), is_star=True))


def _turned(path: _Path, depth: int, place: int) -> _Path:
    return (*path[:depth], *(0,) * (depth - len(path)), place)


def _could_match(root: Node, text: str) -> bool:
    if _nodes(root) * len(text) > _MOST_PLACES:
        raise beyond_bounds("glob.match", "a glob takes too long")
    return len(text) in _ends(root, text, {0})


def _nodes(node: Node) -> int:
    return 1 + sum(map(_nodes, node.parts)) if isinstance(node, Sequence | Choice) else 1


def _ends(node: Node, text: str, starts: set[int]) -> set[int]:
    """All places where a match can end that begins at one of the starts."""
    if isinstance(node, Sequence):
        for part in node.parts:
            starts = _ends(part, text, starts)
        return starts
    if isinstance(node, Choice):
        return set().union(*(_ends(part, text, starts) for part in node.parts))
    if isinstance(node, Star):
        found: set[int] = set()
        for start in sorted(starts):
            if start not in found:  # else what is before reaches as far
                found.update(range(start, node.reach(text, start) + 1))
        return found
    return {end for end in (node.match(text, start) for start in starts) if end != FAILED}
