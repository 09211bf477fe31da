"""How a glob is read: `*`, `**`, `?`, `[a-z]`, `[!abc]`, `{a,b}`, escapes. Not how it is matched (`glob_walk`)."""

from __future__ import annotations

from typing import Final

from authz_rego.builtins.bounds import beyond_bounds
from authz_rego.builtins.glob_nodes import Choice, Class, Node, Sequence, Single, Star, Text, Void
from authz_rego.errors import BuiltinError
from authz_rego.values.byte_texts import is_torn

_DEEPEST: Final = 64  # alternatives in alternatives
_LONGEST: Final = 100_000  # characters
_BREAKERS: Final = frozenset("?*[{")
_BREAKERS_INSIDE: Final = _BREAKERS | frozenset("},")


def parsed(pattern: str, separators: str) -> Node:
    """Raises BuiltinError for what is no glob, EvaluationError for one that is beyond our bounds."""
    if len(pattern) > _LONGEST:
        raise beyond_bounds("glob.match", f"a glob has more than {_LONGEST} characters")
    if is_torn(pattern):
        raise BuiltinError("glob: invalid UTF-8 sequence")
    return _Parser(pattern, separators).run()


class _Parser:
    def __init__(self, pattern: str, separators: str) -> None:
        self._pattern, self._end, self._at = pattern, len(pattern), 0
        self._separators = separators
        # Of each brace that is open the alternatives, the last of them unfinished; outermost the glob itself.
        self._open: list[list[list[Node]]] = [[[]]]

    def run(self) -> Node:
        while self._at < self._end:
            self._step(self._pattern[self._at])
        if len(self._open) > 1:
            raise self._wrong("unclosed `{`")
        return Sequence(self._open[0][0])

    def _step(self, character: str) -> None:
        parts = self._open[-1][-1]
        inside = len(self._open) > 1
        if character == "{":
            if len(self._open) > _DEEPEST:
                raise beyond_bounds("glob.match", "a glob nests too deeply")
            self._open.append([[]])
        elif character == "," and inside:
            self._open[-1].append([])
        elif character == "}" and inside:
            branches = self._open.pop()
            self._open[-1][-1].append(Choice([_branch(branch) for branch in branches]))
        elif character == "?":
            parts.append(Single(self._separators))
        elif character == "*":
            double = self._pattern.startswith("**", self._at)
            self._at += double
            parts.append(Star("" if double else self._separators))
        elif character == "[":
            parts.append(self._class())
            return
        else:
            parts.append(Text(self._text(_BREAKERS_INSIDE if inside else _BREAKERS)))
            return
        self._at += 1

    def _text(self, breakers: frozenset[str]) -> str:
        """Up to one of the breakers that has no backslash before it, or to the end."""
        found: list[str] = []
        while self._at < self._end and self._pattern[self._at] not in breakers:
            if self._pattern[self._at] == "\\":
                self._at += 1
                if self._at == self._end:
                    raise self._wrong("trailing backslash")
            found.append(self._pattern[self._at])
            self._at += 1
        return "".join(found)

    def _class(self) -> Class:
        self._at += 1
        negated = self._pattern.startswith("!", self._at)
        self._at += negated
        # Before a dash any character is the first of a range: also a backslash, a bracket or a second `!`.
        if self._pattern.startswith("-", self._at + 1):
            low, high = self._pattern[self._at], self._pattern[self._at + 2 : self._at + 3]
            self._at += 3
            if not high or high < low:
                raise self._wrong("range hi character is less than lo")
            found = Class(frozenset(), low, high, negated)
        else:
            characters = self._text(frozenset("]"))
            if not characters:
                raise self._wrong("could not parse range")
            found = Class(frozenset(characters), negated=negated)
        if not self._pattern.startswith("]", self._at):
            raise self._wrong("expected close range character")
        self._at += 1
        return found

    def _wrong(self, why: str) -> BuiltinError:
        return BuiltinError(f"glob: syntax error at {len(self._pattern[: self._at].encode())}: {why}")


def _branch(parts: list[Node]) -> Node:
    return Sequence(parts) if parts else Void()
