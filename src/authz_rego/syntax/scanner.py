"""Cuts a text into tokens, each with its place. Not what a sequence of tokens means (`terms`, `literals`, `rules`).

A token knows the one after it, which is cut when it is first asked for: what follows the `}` in a template string is
either the rest of the string or ordinary tokens, and only the parser knows which.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from typing import Final

from authz_rego.errors import Place
from authz_rego.syntax.tokens import Kind
from authz_rego.values.characters import categories, contains

_BOM: Final = "\ufeff"
_NBSP: Final = "\xa0"
_WHITESPACE: Final = re.compile(r"[ \t\r\n]+")
_IDENT: Final = re.compile(r"[A-Za-z_][A-Za-z_0-9]*")
_NUMBER: Final = re.compile(r"[0-9]+(?:(\.)([0-9]*))?(?:([eE])[+-]?([0-9]*))?")
_PLAIN: Final = re.compile(r'[^"\\\n]*')
_PLAIN_TEMPLATE: Final = re.compile(r'[^"\\\n{]*')
_PLAIN_RAW_TEMPLATE: Final = re.compile(r"[^`\\{]*")
_BAD: Final = re.compile("[\0\ufeff\ud800-\udfff]")
_ESCAPES: Final = frozenset('\\"/bfnrt')
_SINGLE: Final = {
    "[": Kind.LBRACK, "]": Kind.RBRACK, "{": Kind.LBRACE, "}": Kind.RBRACE, "(": Kind.LPAREN, ")": Kind.RPAREN,
    ",": Kind.COMMA, ":": Kind.COLON, "+": Kind.ADD, "-": Kind.SUB, "*": Kind.MUL, "/": Kind.QUO, "%": Kind.REM,
    "&": Kind.AND, "|": Kind.OR, "=": Kind.UNIFY, ">": Kind.GT, "<": Kind.LT, ";": Kind.SEMICOLON, ".": Kind.DOT,
}  # fmt: skip
_DOUBLE: Final = {
    ":=": Kind.ASSIGN, "==": Kind.EQUAL, ">=": Kind.GTE, "<=": Kind.LTE, "!=": Kind.NEQ,
}  # fmt: skip
_UNTERMINATED: Final = "non-terminated string"


class Token:
    """A piece of the text. What OPA knows by its bytes, we know by characters: `start` and `end` count these."""

    __slots__ = ("column", "end", "errors", "kind", "next", "ragged", "row", "start", "text")

    def __init__(self, kind: Kind, start: int, end: int, text: str = "", errors: Iterable[str] = ()) -> None:
        self.kind = kind
        self.start, self.end = start, end
        self.row = self.column = 0
        self.text = text
        self.errors = tuple(errors)
        self.ragged = False  # something that is not ASCII stands right behind: there OPA's cut is a byte too long
        self.next: Token | None = None


class Scanner:
    """The tokens of one text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.length = len(text)
        self._ascii = text.isascii()
        self._bad = _BAD.search(text, 1 if text.startswith(_BOM) else 0) is not None
        self._lines = [match.end() for match in re.finditer(r"\n", text)]
        first = 1 if text.startswith(_BOM) else 0
        self.before_all = Token(Kind.ILLEGAL, 0, first)

    def after(self, token: Token) -> Token:
        """The token that follows, taken as ordinary text."""
        if token.next is None:
            token.next = self._placed(self._cut(token.end), token is self.before_all)
        return token.next

    def rest_of_template(self, brace: Token, *, raw: bool) -> Token:
        """The part of a template string that begins behind a `}`."""
        return self._placed(self._template(brace.end, brace.end - 1, raw=raw), first=False)

    def place_of(self, at: int) -> tuple[int, int]:
        """Row and column of a character as OPA counts: a line's end belongs to the next line, at column 0."""
        if at >= self.length:
            at = self.length - 1
            if at < 0:
                return 1, 0
        row = bisect_right(self._lines, at)
        if self.text[at] == "\n":
            return row + 2, 0
        return row + 1, at + 1 - (self._lines[row - 1] if row else 0)

    def character_at(self, place: Place) -> str:
        return self.text[(self._lines[place.row - 2] if place.row > 1 else 0) + place.column - 1]

    def _placed(self, token: Token, first: bool) -> Token:  # noqa: FBT001  # the hot path
        token.row, token.column = self.place_of(token.start)
        end = token.end
        if not self._ascii and end < self.length and not self.text[end].isascii():
            token.ragged = True
        if self._bad:
            # OPA looks one character ahead, and holds against a token what it sees there.
            seen = self.text[token.start + (0 if first else 1) : end + 1]
            bad = tuple(map(_complaint, _BAD.findall(seen)))
            token.errors = bad + token.errors
        return token

    def _cut(self, at: int) -> Token:  # noqa: PLR0911  # one line for each kind of token
        if at >= self.length:
            return Token(Kind.EOF, at, at)
        text = self.text
        character = text[at]
        if character in " \t\r\n":
            return self._whitespace(at)
        match = _IDENT.match(text, at)
        if match:
            end = match.end() if self._ascii else self._with_digits(match.end(), letters=True)
            cut_into = not self._ascii and end < self.length and not text[end].isascii()
            return Token(Kind.IDENT, at, end, text[at:end] + "\ufffd" if cut_into else text[at:end])
        if character in "0123456789":
            return self._number(at)
        kind = _DOUBLE.get(text[at : at + 2])
        if kind is not None:
            return Token(kind, at, at + 2)
        kind = _SINGLE.get(character)
        if kind is not None:
            return Token(kind, at, at + 1)
        return self._other(character, at)

    def _other(self, character: str, at: int) -> Token:
        if character == '"':
            return self._string(at)
        if character == "`":
            return self._raw_string(at)
        if character == "#":
            end = self.text.find("\n", at)
            end = self.length if end < 0 else end
            return Token(Kind.COMMENT, at, end, self.text[at:end])
        if character == "$" and self.text[at + 1 : at + 2] in {"`", '"'}:
            return self._template(at, at + 1, raw=self.text[at + 1] == "`")
        errors: tuple[str, ...] = ()
        if character in "!$":
            errors = (f"illegal {character} character",)
        elif character == _NBSP:
            errors = ("illegal non-breaking space character, use a regular space instead",)
        return Token(Kind.ILLEGAL, at, at + 1, errors=errors)

    def _whitespace(self, at: int) -> Token:
        match = _WHITESPACE.match(self.text, at)
        assert match is not None
        end = match.end()
        if self._bad and end - at > 1 and end < self.length and _BAD.match(self.text, end):
            end -= 1  # to OPA each blank is a token, and only the last one sees what is wrong behind it
        return Token(Kind.WHITESPACE, at, end, self.text[at:end])

    def _with_digits(self, end: int, *, letters: bool) -> int:
        """Names may go on with digits of any script."""
        digits = categories()["Nd"]
        while end < self.length:
            character = self.text[end]
            if character.isascii():
                match = _IDENT.match(self.text, end) if letters else None
                if match:
                    end = match.end()
                elif "0" <= character <= "9":
                    end += 1
                else:
                    break
            elif contains(digits, ord(character)):
                end += 1
            else:
                break
        return end

    def _number(self, at: int) -> Token:
        match = _NUMBER.match(self.text, at)
        assert match is not None
        errors = []
        if match[1] and not match[2]:
            errors.append("expected fraction")
        if match[3] and not match[4]:
            errors.append("expected exponent")
        end = match.end()
        if _IDENT.match(self.text, end):
            errors.append("illegal number format")
            end = self._with_digits(end, letters=True)
        return Token(Kind.NUMBER, at, end, self.text[at:end], errors)

    def _string(self, at: int) -> Token:
        text, end, errors = self.text, at + 1, list[str]()
        while True:
            match = _PLAIN.match(text, end)
            assert match is not None
            end = match.end()
            if end >= self.length or text[end] == "\n":
                errors.append(_UNTERMINATED)
                break
            end += 1
            if text[end - 1] == '"':
                break
            end = self._escaped(end, errors)
        return Token(Kind.STRING, at, end, text[at:end], errors)

    def _escaped(self, end: int, errors: list[str]) -> int:
        """Where to go on after a backslash."""
        character = self.text[end : end + 1]
        if character == "u":
            return min(end + 4, self.length)
        if character in _ESCAPES:
            return end + 1
        errors.append("illegal escape sequence")
        return end

    def _raw_string(self, at: int) -> Token:
        end = self.text.find("`", at + 1)
        if end < 0:
            return Token(Kind.STRING, at, self.length, self.text[at:], (_UNTERMINATED,))
        return Token(Kind.STRING, at, end + 1, self.text[at : end + 1])

    def _template(self, start: int, opening: int, *, raw: bool) -> Token:
        """A template string's part from its quote (or from the `}` before it) to the next `{`, or to its end."""
        text, end, errors, kept = self.text, opening + 1, list[str](), list[str]()
        plain, quote = (_PLAIN_RAW_TEMPLATE, "`") if raw else (_PLAIN_TEMPLATE, '"')
        kind = Kind.RAW_TEMPLATE_PART if raw else Kind.TEMPLATE_PART
        while True:
            match = plain.match(text, end)
            assert match is not None
            end = match.end()
            if end >= self.length or text[end] == "\n":
                errors.append(_UNTERMINATED)
                break
            end += 1
            if text[end - 1] == quote:
                kind = Kind.RAW_TEMPLATE_END if raw else Kind.TEMPLATE_END
                break
            if text[end - 1] == "{":
                break
            if text[end : end + 1] == "{":
                kept.append(text[opening : end - 1])
                opening = end
                end += 1
            elif not raw:
                end = self._escaped(end, errors)
        return Token(kind, start, end, "".join(kept) + text[opening:end], errors)


def _complaint(character: str) -> str:
    if character == "\0":
        return "illegal null character"
    return "illegal byte-order mark" if character == _BOM else "illegal utf-8 character"
