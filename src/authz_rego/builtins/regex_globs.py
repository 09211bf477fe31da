"""OPA's `regex.globs_match`: whether two patterns of characters, `.`, `[a-z]`, `+` and `*` have a text in common.

That is what github.com/yashtewari/glob-intersection 0.2.0 answers, which is not always the truth. Not `glob.match`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from authz_rego.builtins.bounds import beyond_bounds
from authz_rego.errors import BuiltinError
from authz_rego.values.characters import Ranges, union

_MOST_PAIRS: Final = 1_000_000  # of a token in one and a token in the other


@dataclass(frozen=True, slots=True)
class _Token:
    """A character or a set of characters; any character if there are no ranges."""

    ranges: Ranges | None
    is_set: bool = False
    flag: str = ""  # + or *

    def same(self, other: _Token) -> bool:
        return self.ranges == other.ranges and self.is_set == other.is_set

    def meets(self, other: _Token) -> bool:
        if self.ranges is None or other.ranges is None:
            return True  # also a set of none
        mine, theirs = self.ranges, other.ranges
        at = place = 0
        while at < len(mine) and place < len(theirs):
            if mine[at + 1] < theirs[place]:
                at += 2
            elif theirs[place + 1] < mine[at]:
                place += 2
            else:
                return True
        return False


_Glob: TypeAlias = tuple[_Token, ...]


def globs_intersect(one: str, other: str) -> bool:
    """Raises BuiltinError for what is no such pattern."""
    mine, theirs = _tokens(one), _tokens(other)
    trimmed = _trimmed(mine, theirs)
    if trimmed is None:
        return False
    if len(trimmed[0]) * len(trimmed[1]) > _MOST_PAIRS:
        raise beyond_bounds("regex.globs_match", "the patterns are too long")
    return _rest_meets(*trimmed)


def _trimmed(mine: _Glob, theirs: _Glob) -> tuple[_Glob, _Glob] | None:
    """Without what meets at start and end, but for one token each; None if something there does not meet."""
    start = 0
    while start < min(len(mine), len(theirs)) and not (mine[start].flag or theirs[start].flag):
        if not mine[start].meets(theirs[start]):
            return None
        start += 1
    start = max(start - 1, 0)
    end, place = len(mine) - 1, len(theirs) - 1
    while min(end, place) >= start and not (mine[end].flag or theirs[place].flag):
        if not mine[end].meets(theirs[place]):
            return None
        end, place = end - 1, place - 1
    kept = 2 if end < len(mine) - 1 else 1
    return mine[start : end + kept], theirs[start : place + kept]


def _rest_meets(mine: _Glob, theirs: _Glob) -> bool:
    """The original's search, which may take exponential time, as a table of what is left of both, from their ends.

    It prefers the flagged token of the glob that it looks at first, and so there are two answers for each pair:
    `mine_first` and `theirs_first`. `mine_eats` says whether my token, flagged, can eat on from there.
    """
    rows, columns = len(mine), len(theirs)
    mine_first = theirs_first = [False] * columns + [True]
    theirs_eats = [place == columns - 1 for place in range(columns + 1)]
    for row in range(rows - 1, -1, -1):
        left = mine[row]
        after_left = mine[row + 1] if row + 1 < rows else None
        below_mine, below_theirs, eats_below = mine_first, theirs_first, theirs_eats
        mine_first, theirs_first, theirs_eats = ([False] * (columns + 1) for _ in range(3))
        mine_eats = after_left is None
        for place in range(columns - 1, -1, -1):
            right = theirs[place]
            meet = left.meets(right)
            ate = mine_eats
            mine_eats = (meet and ate) or (after_left is not None and below_mine[place] and right.meets(after_left))
            theirs_eats[place] = (meet and eats_below[place]) or (
                theirs_first[place + 1] and place + 1 < columns and left.meets(theirs[place + 1])
            )
            by_mine = mine_eats if left.flag == "*" else meet and (ate or (right.flag != "" and below_mine[place]))
            by_theirs = (
                theirs_eats[place]
                if right.flag == "*"
                else meet and (eats_below[place] or (left.flag != "" and theirs_first[place + 1]))
            )
            if left.flag or right.flag:
                mine_first[place] = by_mine if left.flag else by_theirs
                theirs_first[place] = by_theirs if right.flag else by_mine
            else:
                mine_first[place] = meet and below_mine[place + 1]
                theirs_first[place] = meet and below_theirs[place + 1]
    return mine_first[0]


def _tokens(text: str) -> _Glob:
    found: list[_Token] = []
    at = 0
    while at < len(text):
        character = text[at]
        at += 1
        is_set = character == "["
        if character in "]+*":
            raise _invalid(text, at)
        ranges: Ranges | None
        if is_set:
            ranges, at = _set(text, at)
        elif character == ".":
            ranges = None
        else:
            code, at = _character(text, at - 1)
            ranges = (code, code)
        flag = text[at] if at < len(text) and text[at] in "+*" else ""
        at += len(flag)
        token = _Token(ranges, is_set, flag)
        if flag and found and found[-1].flag and found[-1].same(token):
            found[-1] = _Token(ranges, is_set, "+" if "+" in (flag, found[-1].flag) else "*")
        else:
            found.append(token)
    return tuple(found)


def _set(text: str, at: int) -> tuple[Ranges, int]:
    ranges: list[Ranges] = []
    previous: int | None = None
    while at < len(text) and text[at] != "]":
        if text[at] != "-":
            previous, at = _character(text, at)
            ranges.append((previous, previous))
            continue
        at += 1
        if previous is None or at >= len(text) - 1 or text[at] in "]-":
            raise _invalid(text, at)
        last, at = _character(text, at)
        if last < previous:
            raise _invalid(text, at)
        ranges.append((previous, last))
        previous = None
    if at >= len(text):
        raise _invalid(text, at)
    return union(*ranges), at + 1


def _character(text: str, at: int) -> tuple[int, int]:
    if text[at] != "\\":
        return ord(text[at]), at + 1
    if at + 1 == len(text):
        raise _invalid(text, at)
    return ord(text[at + 1]), at + 2


def _invalid(text: str, at: int) -> BuiltinError:
    return BuiltinError(f"input:{text}, pos:{at}: the input provided is invalid")
