"""What a glob is made of, and how each piece matches where it stands. Not how pieces are tried anew (`glob_walk`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from authz_rego.values.byte_texts import LONE_BYTES, REPLACEMENT

FAILED = -1


@dataclass(slots=True)
class Text:
    """A literal."""

    text: str

    def match(self, text: str, at: int) -> int:
        """Where the match ends that begins there, or FAILED; so it is for all of them."""
        return at + len(self.text) if text.startswith(self.text, at) else FAILED


@dataclass(slots=True)
class Single:
    """`?`: any character but a separator."""

    separators: str

    def match(self, text: str, at: int) -> int:
        return at + 1 if at < len(text) and text[at] not in self.separators else FAILED


@dataclass(slots=True)
class Class:
    """`[a-z]`, `[abc]`, `[!abc]`: one of the listed characters, or one between two."""

    characters: frozenset[str]
    low: str = ""
    high: str = ""
    negated: bool = False

    def match(self, text: str, at: int) -> int:
        if at >= len(text):
            return FAILED
        found = text[at]
        if LONE_BYTES[0] <= found <= LONE_BYTES[-1]:
            found = REPLACEMENT
        listed = self.low <= found <= self.high if self.low else found in self.characters
        return at + 1 if listed != self.negated else FAILED


@dataclass(slots=True)
class Star:
    """`*`: any characters but separators. `**`: any characters; it has no separators."""

    separators: str
    following: str = ""  # the literal that comes next, if one does
    last: bool = False  # nothing follows in the whole glob

    def match(self, text: str, at: int) -> int:
        return self.reach(text, at) if self.last else at

    def reach(self, text: str, at: int) -> int:
        """The place of the next separator, or the end."""
        end = len(text)
        for separator in self.separators:
            found = text.find(separator, at, end)
            end = end if found < 0 else found
        return end


@dataclass(slots=True)
class Void:
    """Nothing: an empty alternative."""

    def match(self, _: str, at: int) -> int:
        return at


@dataclass(slots=True)
class Span:
    """`abc*`, `*def` or `abc*def` at the end of the glob: how the rest begins and ends, and no separator in between."""

    start: str
    end: str
    separators: str

    def match(self, text: str, at: int) -> int:
        first, last = at + len(self.start), len(text) - len(self.end)
        if first > last or not text.startswith(self.start, at) or not text.endswith(self.end):
            return FAILED
        for separator in self.separators:
            if text.find(separator, first, last) >= 0:
                return FAILED
        return len(text)


@dataclass(slots=True)
class Somewhere:
    """`**abc**` at the end of the glob: the rest holds the text."""

    text: str

    def match(self, text: str, at: int) -> int:
        return len(text) if text.find(self.text, at) >= 0 else FAILED


@dataclass(slots=True)
class Sequence:
    """One piece after the other."""

    parts: list[Node]

    def match(self, text: str, at: int) -> int:
        for part in self.parts:
            at = part.match(text, at)
            if at < 0:
                return FAILED
        return at


@dataclass(slots=True)
class Choice:
    """`{a,b}`. If nothing follows and no part is tried anew, `closed`: the parts are tried in order until one fits."""

    parts: list[Node]
    closed: bool = False

    def match(self, text: str, at: int) -> int:
        for part in self.parts:
            if part.match(text, at) == len(text):
                return len(text)
        return FAILED


Node: TypeAlias = Text | Single | Class | Star | Void | Span | Somewhere | Sequence | Choice


def needs_walk(node: Node) -> bool:
    """Whether something in it may have to be tried anew."""
    if isinstance(node, Sequence):
        return any(map(needs_walk, node.parts))
    if isinstance(node, Star):
        return not node.last
    return isinstance(node, Choice) and not node.closed
