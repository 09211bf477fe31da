"""Go's regular expressions (regexp/syntax of Go 1.26), rewritten for RE2 so that it cannot read them differently.

What comes out has no flags, no named classes and no case: literals, ranges of code points, groups and repetitions only.
Not matching (`regex`), and not what stands in brackets (`regex_classes`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, NamedTuple

from authz_rego.builtins.bounds import beyond_bounds
from authz_rego.builtins.regex_classes import Reader, literal, wrong
from authz_rego.builtins.regex_nodes import Node, alternation, concatenation, repeated
from authz_rego.values.byte_texts import is_torn, readable
from authz_rego.values.characters import Ranges, contains, orbits

_LONGEST_PATTERN: Final = 50_000  # characters
_MOST_REPEATS: Final = 1000
# Beyond these Go may find an expression too large. It counts what is left after simplifying: we only know a bound.
_LARGEST: Final = 128 * 1024 * 1024 // 40
_MOST_RANGES: Final = 8_000_000
_HIGHEST: Final = 1000
_SIMPLE: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_COUNTS: Final = frozenset("0123456789,")
_SURROGATES: Final = (0xD800, 0xDFFF)
_NAME: Final = _SIMPLE | {"_"}
_OPERATORS: Final = {"*": (0, -1), "+": (1, -1), "?": (0, 1)}


class Pattern(NamedTuple):
    """A pattern for RE2, and what it does not say of the original's groups."""

    text: str
    names: tuple[str, ...]  # of each group; "" without one, and for the whole match, which is the first
    places: tuple[int | None, ...]  # of each group among RE2's; None for one that can take part in no match
    inside: bool  # may match between the bytes of a character, which Go does not


class _Flags(NamedTuple):
    fold: bool = False  # i
    lines: bool = False  # m
    newline: bool = False  # s
    lazy: bool = False  # U


@dataclass(slots=True)
class _Group:
    flags: _Flags  # to return to
    number: int = 0  # 0 if it does not capture
    branches: list[Node] = field(default_factory=list)
    pieces: list[Node] = field(default_factory=list)


@lru_cache(maxsize=256)
def translate(text: str) -> Pattern:
    """Raises BuiltinError for what is no pattern in Go, EvaluationError for one that is beyond our bounds."""
    if len(text) > _LONGEST_PATTERN:
        raise beyond_bounds("regex", f"a pattern has more than {_LONGEST_PATTERN} characters")
    if is_torn(text):
        raise wrong("invalid UTF-8", readable(text))
    return _Parser(text).run()


class _Parser:
    def __init__(self, text: str) -> None:
        self._reader = Reader(text)
        self._flags = _Flags()
        self._open = [_Group(self._flags)]
        self._names = [""]
        self._absent: set[int] = set()
        self._ranges = 0
        self._inside = False

    def run(self) -> Pattern:
        reader = self._reader
        repeated = False
        while reader.at < reader.end:
            repeated = self._step(reader.peek(), repeated=repeated)
        if len(self._open) > 1:
            raise wrong("missing closing )", reader.text)
        whole = _whole(self._open[0])
        if whole.height > _HIGHEST or whole.size > _LARGEST or self._ranges > _MOST_RANGES:
            raise beyond_bounds("regex", "a pattern is too large")
        present = [group for group in range(len(self._names)) if group not in self._absent]
        places = {group: place for place, group in enumerate(present)}
        return Pattern(whole.text, tuple(self._names), tuple(map(places.get, range(len(self._names)))), self._inside)

    def _step(self, character: str, *, repeated: bool) -> bool:
        """Reads one thing; says whether it was a repetition."""
        reader = self._reader
        if character in "*+?":
            self._repeat(*_OPERATORS[character], start=reader.at, end=reader.at + 1, operator=character, again=repeated)
            return True
        if character == "{" and (counts := self._counts()) is not None:
            self._repeat(counts[0], counts[1], start=reader.at, end=counts[2], operator="", again=repeated)
            return True
        if character == "\\":
            self._backslash()
        elif character == "[":
            self._class(reader.bracket(fold=self._flags.fold))
        elif character in "(|)":
            reader.at += 1
            self._branch(character)
        elif character in "^$.":
            reader.at += 1
            self._open[-1].pieces.append(Node(self._assertion(character)))
        else:
            reader.at += 1
            self._literal(ord(character))
        return False

    def _branch(self, character: str) -> None:
        if character == "(":
            self._open_group()
        elif character == ")":
            self._close_group()
        else:
            group = self._open[-1]
            group.branches.append(concatenation(group.pieces))
            group.pieces = []

    def _assertion(self, character: str) -> str:
        if character == ".":
            return "(?s:.)" if self._flags.newline else r"[^\x{A}]"
        if self._flags.lines:
            return f"(?m:{character})"
        return r"\A" if character == "^" else r"\z"

    def _literal(self, code: int) -> None:
        if self._flags.fold and code in orbits():
            self._class(literal(code, fold=True))
            return
        if contains(_SURROGATES, code):
            raise beyond_bounds("regex", "half of a surrogate pair in a pattern")
        self._ranges += 1
        self._open[-1].pieces.append(Node(chr(code) if chr(code) in _SIMPLE else f"\\x{{{code:X}}}", plain=True))

    def _class(self, ranges: Ranges) -> None:
        if len(ranges) == 2 and ranges[0] == ranges[1] and contains(_SURROGATES, ranges[0]):
            raise beyond_bounds("regex", "half of a surrogate pair in a pattern")
        self._ranges += len(ranges)
        pairs = [f"\\x{{{ranges[at]:X}}}-\\x{{{ranges[at + 1]:X}}}" for at in range(0, len(ranges), 2)]
        self._open[-1].pieces.append(Node(f"[{''.join(pairs)}]" if pairs else r"[^\x{0}-\x{10FFFF}]"))

    def _backslash(self) -> None:
        reader = self._reader
        following = reader.peek(1)
        if following and following in "AbBz":
            self._inside = self._inside or following == "B"
            self._open[-1].pieces.append(Node(f"\\{following}"))
            reader.at += 2
        elif following == "C":
            raise wrong("invalid escape sequence", r"\C")
        elif following == "Q":
            start = reader.at + 2
            end = reader.text.find(r"\E", start)
            for character in reader.text[start : end if end >= 0 else reader.end]:
                self._literal(ord(character))
            reader.at = end + 2 if end >= 0 else reader.end
        else:
            ranges = reader.group(fold=self._flags.fold)
            if ranges is not None:
                self._class(ranges)
            else:
                self._literal(reader.escape())

    def _open_group(self) -> None:
        reader = self._reader
        if reader.peek() != "?":
            self._names.append("")
            self._open.append(_Group(self._flags, len(self._names) - 1))
            return
        start = reader.at - 1
        reader.at += 1
        skipped = 2 if reader.peek() == "P" and reader.peek(1) == "<" else 1 if reader.peek() == "<" else 0
        if not skipped:
            self._set_flags(start)
            return
        end = reader.text.find(">", start)
        name = reader.text[reader.at + skipped : end] if end > 0 else ""
        if not name or not _NAME.issuperset(name):
            raise wrong("invalid named capture", reader.text[start : end + 1] if end > 0 else reader.text[start:])
        reader.at = end + 1
        self._names.append(name)
        self._open.append(_Group(self._flags, len(self._names) - 1))

    def _set_flags(self, start: int) -> None:
        """`(?i)`, `(?i-s:` and so on."""
        reader = self._reader
        flags, on, seen = self._flags, True, False
        while character := reader.take():
            if character in "imsU":
                name = {"i": "fold", "m": "lines", "s": "newline", "U": "lazy"}[character]
                flags, seen = flags._replace(**{name: on}), True
            elif character == "-" and on:
                on = seen = False
            elif character in ":)" and (on or seen):
                if character == ":":
                    self._open.append(_Group(self._flags))
                self._flags = flags
                return
            else:
                break
        raise wrong("invalid or unsupported Perl syntax", reader.text[start : reader.at])

    def _close_group(self) -> None:
        group = self._open.pop()
        if not self._open:
            raise wrong("unexpected )", self._reader.text)
        self._flags = group.flags
        inner = _whole(group)
        if group.number:
            last = max(inner.groups[1], group.number)
            captured = inner._replace(text=f"({inner.text})", single=True, height=inner.height + 1, size=inner.size + 2)
            self._open[-1].pieces.append(captured._replace(plain=False, groups=(group.number, last)))
        else:
            self._open[-1].pieces.append(inner._replace(text=f"(?:{inner.text})", single=True))

    def _counts(self) -> tuple[int, int, int] | None:
        """Of `{2,5}` the numbers and where it ends; None if this is no repetition, which makes { a literal."""
        text, at = self._reader.text, self._reader.at + 1
        end = at
        while end < len(text) and text[end] in _COUNTS:
            end += 1
        least, comma, most = text[at:end].partition(",")
        if text[end : end + 1] != "}" or not _is_count(least) or (most and not _is_count(most)):
            return None
        # A number of more than nine digits is too large in any case.
        low = int(least[:9])
        high = int(most[:9]) if most else -1 if comma else low
        return low, high, end + 1

    def _repeat(self, least: int, most: int, *, start: int, end: int, operator: str, again: bool) -> None:
        reader, pieces = self._reader, self._open[-1].pieces
        if max(least, most) > _MOST_REPEATS or -1 < most < least:
            raise wrong("invalid repeat count", reader.text[start:end])
        reader.at = end
        lazy = self._flags.lazy
        if reader.peek() == "?":
            lazy = not lazy
            reader.at += 1
        if again:
            raise wrong("invalid nested repetition operator", reader.text[start : reader.at])
        if not pieces:
            raise wrong("missing argument to repetition operator", reader.text[start : reader.at])
        found = repeated(pieces.pop(), least, most, operator=operator, lazy=lazy)
        if found.repeats > _MOST_REPEATS:
            raise wrong("invalid repeat count", reader.text[start : reader.at])
        if most == 0:
            self._absent.update(range(found.groups[0], found.groups[1] + 1) if found.groups[1] else ())
        pieces.append(found)


def _is_count(text: str) -> bool:
    return text.isdigit() and (text == "0" or not text.startswith("0"))


def _whole(group: _Group) -> Node:
    return alternation([*group.branches, concatenation(group.pieces)])
