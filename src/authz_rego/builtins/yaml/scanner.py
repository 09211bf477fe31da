"""Takes a YAML text apart into tokens, in one go. Not what they mean together (`parser`).

As libyaml does, and go-yaml after it: a comment is passed with the token before it, also behind tabs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from authz_rego.builtins.bounds import beyond_bounds
from authz_rego.builtins.yaml.cursor import BLANKS, BLANKS_OR_END, END, Cursor
from authz_rego.builtins.yaml.scalars import scan_block, scan_plain, scan_quoted
from authz_rego.builtins.yaml.tags import scan_anchor, scan_directive, scan_tag
from authz_rego.builtins.yaml.tokens import Kind, Token
from authz_rego.errors import BuiltinError

_UNPRINTABLE: Final = re.compile(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LONGEST_TEXT: Final = 2**18
_MARK: Final = "\ufeff"
_READ_AT_ONCE: Final = 512  # bytes
_LONGEST_KEY: Final = 1024  # characters before its colon, YAML 1.2 §7.4.2

_SPACES: Final = re.compile(r" *")
_BLANKS: Final = re.compile(r"[ \t]*")
_BLOCK_LINES: Final = re.compile(r"(?:[\r\n\x85\u2028\u2029] *)+")
_FLOW_LINES: Final = re.compile(r"(?:[\r\n\x85\u2028\u2029][ \t]*)+")
_LINE_COMMENT: Final = re.compile(r"[ \t]{0,511}#")
_NEXT_COMMENT: Final = re.compile(r"[\r\n][ \t\r\n]{0,510}#")
_FLOW_STARTS: Final = {"[": Kind.FLOW_SEQUENCE_START, "{": Kind.FLOW_MAPPING_START}
_FLOW_ENDS: Final = {"]": Kind.FLOW_SEQUENCE_END, "}": Kind.FLOW_MAPPING_END}
_NEVER_PLAIN: Final = frozenset(",[]{}#&*!|>'\"%@`")


@dataclass(slots=True)
class _Key:
    """What may turn out to be a key, once a colon follows on its line; where a key is due it must (`required`)."""

    number: int  # of its first token
    at: int
    line: int
    column: int
    required: bool


def scan(text: str) -> list[Token]:
    """All tokens, STREAM_END last; raises BuiltinError for a text that is no YAML."""
    if len(text) > _LONGEST_TEXT:
        raise beyond_bounds("yaml", f"a text of more than {_LONGEST_TEXT} characters")
    if _UNPRINTABLE.search(text):
        raise BuiltinError("yaml: control characters are not allowed")
    content = text.removeprefix(_MARK)
    if _MARK in content and _may_be_first_in_buffer(text, content):
        raise beyond_bounds("yaml", "a byte order mark within the text")
    return _Scanner(Cursor(content + END * 4)).scan()


def _may_be_first_in_buffer(text: str, content: str) -> bool:
    """Then go-yaml drops a character at the beginning of each line: it looks for the mark there, not where it stands.

    Its buffer begins anew within the last four characters, and in a text that is longer than what it reads at once.
    """
    return len(text.encode()) > _READ_AT_ONCE or _MARK in content[:1] + content[-4:]


class _Scanner:
    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._tokens: list[Token] = []
        self._indent = -1
        self._indents: list[int] = []
        self._keys: list[_Key | None] = [None]  # one for each flow collection that is open, and for none
        self._key_allowed = True

    @property
    def _in_flow(self) -> bool:
        return len(self._keys) > 1

    def scan(self) -> list[Token]:
        cursor = self._cursor
        while True:
            self._pass_blanks()
            self._unroll(cursor.column)
            if cursor.peek() == END:
                self._unroll(-1)
                self._drop_key()
                self._add(Kind.STREAM_END)
                return self._tokens
            if cursor.column == 0 and cursor.peek() == "%":
                self._end_document()
                self._tokens.append(scan_directive(cursor))
            elif cursor.is_document_mark():
                self._end_document()
                self._add(Kind.DOCUMENT_START if cursor.peek() == "-" else Kind.DOCUMENT_END, 3)
            else:
                self._scan_token(cursor.peek(), cursor.peek(1) in BLANKS_OR_END)

    def _scan_token(self, first: str, is_alone: bool) -> None:  # noqa: FBT001
        """The token that begins with that character, and the comment behind it on its line."""
        cursor = self._cursor
        passed_breaks = False
        if first in _FLOW_STARTS:
            self._save_key()
            self._keys.append(None)
            self._add(_FLOW_STARTS[first], 1, key_allowed=True)
        elif first in _FLOW_ENDS:
            self._drop_key()
            if self._in_flow:
                self._keys.pop()
            self._add(_FLOW_ENDS[first], 1, key_allowed=False)
        elif first == ",":
            self._drop_key()
            self._add(Kind.FLOW_ENTRY, 1, key_allowed=True)
        elif first == "-" and is_alone:
            self._scan_entry()
            return  # go-yaml passes no comment here
        elif first == "?" and (self._in_flow or is_alone):
            self._scan_key()
        elif first == ":" and (self._in_flow or is_alone):
            self._scan_value()
        else:
            passed_breaks = self._scan_content(first, is_alone=is_alone)
        comment = None if passed_breaks else _LINE_COMMENT.match(cursor.text, cursor.at)
        if comment:
            cursor.skip(len(comment[0]))
            cursor.take_line()

    def _scan_content(self, first: str, *, is_alone: bool) -> bool:
        """An alias, an anchor, a tag or a scalar; True when line breaks were passed behind it."""
        cursor = self._cursor
        if first in "|>" and not self._in_flow:
            self._drop_key()
            self._key_allowed = True
            line = cursor.line
            self._tokens.append(Token(Kind.SCALAR, line, scan_block(cursor, self._indent)))
            return True
        is_plain = first not in "*&!'\""
        if is_plain and not self._may_start_plain(first, is_alone=is_alone):
            raise cursor.refusal("found character that cannot start any token")
        self._save_key()
        self._key_allowed = False
        line = cursor.line
        if is_plain:
            value, passed_breaks = scan_plain(cursor, self._indent + 1, in_flow=self._in_flow)
            self._tokens.append(Token(Kind.SCALAR, line, value, is_plain=True))
            self._key_allowed = passed_breaks
            return passed_breaks
        if first in "'\"":
            self._tokens.append(Token(Kind.SCALAR, line, scan_quoted(cursor)))
        else:
            self._tokens.append(scan_tag(cursor) if first == "!" else scan_anchor(cursor))
        return False

    def _may_start_plain(self, first: str, *, is_alone: bool) -> bool:
        if first == "-":
            return self._cursor.peek(1) not in BLANKS
        if first in "?:":
            return not self._in_flow and not is_alone
        return first not in _NEVER_PLAIN and first not in BLANKS

    def _add(self, kind: Kind, length: int = 0, *, key_allowed: bool | None = None) -> None:
        self._tokens.append(Token(kind, self._cursor.line))
        self._cursor.skip(length)
        if key_allowed is not None:
            self._key_allowed = key_allowed

    def _end_document(self) -> None:
        self._unroll(-1)
        self._drop_key()
        self._key_allowed = False

    def _pass_blanks(self) -> None:
        """Up to the next token. Where a key may begin in a block, a tab is none of the blanks."""
        cursor = self._cursor
        cursor.take(_BLANKS if self._in_flow or not self._key_allowed else _SPACES)
        while True:
            if cursor.peek() == "#":
                self._pass_comments()
            match = (_FLOW_LINES if self._in_flow else _BLOCK_LINES).match(cursor.text, cursor.at)
            if match is None:
                return
            cursor.take_lines(match.end())
            if not self._in_flow:
                self._key_allowed = True

    def _pass_comments(self) -> None:
        """A comment, and further ones below it, however these are indented."""
        cursor = self._cursor
        cursor.take_line()
        while match := _NEXT_COMMENT.match(cursor.text, cursor.at):
            cursor.take_lines(match.end())
            cursor.take_line()

    def _save_key(self) -> None:
        if not self._key_allowed:
            return
        self._drop_key()
        cursor = self._cursor
        required = not self._in_flow and self._indent == cursor.column
        self._keys[-1] = _Key(len(self._tokens), cursor.at, cursor.line, cursor.column, required)

    def _drop_key(self) -> None:
        key = self._keys[-1]
        if key is not None and key.required:
            raise self._cursor.refusal("could not find expected ':'")
        self._keys[-1] = None

    def _take_key(self) -> _Key | None:
        """The key that a colon here belongs to."""
        key, cursor = self._keys[-1], self._cursor
        if key is not None and (key.line < cursor.line or key.at + _LONGEST_KEY < cursor.at):
            self._drop_key()
            return None
        self._keys[-1] = None
        return key

    def _roll(self, column: int, kind: Kind, number: int | None = None) -> None:
        """Begins a block collection where the column says so."""
        if self._in_flow or self._indent >= column:
            return
        self._indents.append(self._indent)
        self._indent = column
        self._tokens.insert(len(self._tokens) if number is None else number, Token(kind, self._cursor.line))

    def _unroll(self, column: int) -> None:
        """Ends the block collections that are indented further than the column."""
        if self._in_flow:
            return
        while self._indent > column:
            self._tokens.append(Token(Kind.BLOCK_END, self._cursor.line))
            self._indent = self._indents.pop()

    def _require_key_allowed(self, what: str) -> None:
        if not self._in_flow and not self._key_allowed:
            raise self._cursor.refusal(f"{what} not allowed in this context")

    def _scan_entry(self) -> None:
        self._require_key_allowed("block sequence entries are")
        self._roll(self._cursor.column, Kind.BLOCK_SEQUENCE_START)
        self._drop_key()
        self._add(Kind.BLOCK_ENTRY, 1, key_allowed=True)

    def _scan_key(self) -> None:
        self._require_key_allowed("mapping keys are")
        self._roll(self._cursor.column, Kind.BLOCK_MAPPING_START)
        self._drop_key()
        self._add(Kind.KEY, 1, key_allowed=not self._in_flow)

    def _scan_value(self) -> None:
        key = self._take_key()
        if key is not None:
            self._tokens.insert(key.number, Token(Kind.KEY, key.line))
            self._roll(key.column, Kind.BLOCK_MAPPING_START, key.number)
            self._add(Kind.VALUE, 1, key_allowed=False)
            return
        self._require_key_allowed("mapping values are")
        self._roll(self._cursor.column, Kind.BLOCK_MAPPING_START)
        self._add(Kind.VALUE, 1, key_allowed=not self._in_flow)
