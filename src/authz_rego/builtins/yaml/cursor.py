"""A place in a YAML text that moves forward, and what can be asked there. Not tokens (`scanner`)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from authz_rego.errors import BuiltinError

END: Final = "\0"  # stands behind the text; it cannot stand in it
BREAKS: Final = frozenset("\r\n\x85\u2028\u2029")
BREAKS_OR_END: Final = BREAKS | {END}
_SEPARATORS: Final = frozenset("\u2028\u2029")
BLANKS: Final = frozenset(" \t")
BLANKS_OR_BREAKS: Final = BLANKS | BREAKS
BLANKS_OR_END: Final = BLANKS | BREAKS_OR_END

_BLANKS_AND_BREAKS: Final = re.compile(r"[ \t\r\n\x85\u2028\u2029]*")
_BREAK: Final = re.compile(r"\r\n|[\r\n\x85\u2028\u2029]")
_REST_OF_LINE: Final = re.compile(r"[^\r\n\x85\u2028\u2029\0]*")


@dataclass(slots=True)
class Cursor:
    """Line and column count from 0. Of the text, at least four characters can be looked at from any place within it."""

    text: str
    at: int = 0
    line: int = 0
    column: int = 0

    def peek(self, ahead: int = 0) -> str:
        return self.text[self.at + ahead]

    def skip(self, count: int = 1) -> None:
        """Passes characters that are no line breaks."""
        self.at += count
        self.column += count

    def take(self, pattern: re.Pattern[str]) -> str:
        """Passes what the pattern matches here; it never matches a line break."""
        match = pattern.match(self.text, self.at)
        found = match[0] if match else ""
        self.skip(len(found))
        return found

    def take_line(self) -> str:
        """Passes everything before the line break."""
        return self.take(_REST_OF_LINE)

    def take_break(self) -> str:
        """Passes a line break. All but the separators of Unicode become a newline."""
        found = self.text[self.at]
        self.at += 2 if found == "\r" and self.text[self.at + 1] == "\n" else 1
        self.line += 1
        self.column = 0
        return found if found in "\u2028\u2029" else "\n"

    def end_line(self) -> None:
        """Passes the rest of a line, which may only be a comment, and its break."""
        if self.peek() == "#":
            self.take_line()
        if self.peek() not in BREAKS_OR_END:
            raise self.refusal("did not find expected comment or line break")
        if self.peek() in BREAKS:
            self.take_break()

    def take_lines(self, end: int) -> list[str]:
        """Passes everything up to the place, and returns the lines; the last one may be unfinished."""
        lines = _BREAK.split(self.text[self.at : end])
        self.column = len(lines[-1]) + (0 if len(lines) > 1 else self.column)
        self.line += len(lines) - 1
        self.at = end
        return lines

    def take_blank_lines(self, least_column: int = 0) -> str:
        """Passes blanks and line breaks, from the beginning of a line on. What remains of them are the breaks.

        A tab before that column in any line raises BuiltinError.
        """
        start = self.at
        match = _BLANKS_AND_BREAKS.match(self.text, start)
        lines = self.take_lines(match.end() if match else start)
        if any("\t" in line[:least_column] for line in lines):
            raise self.refusal("found a tab character that violates indentation")
        breaks = _BREAK.findall(self.text, start, self.at)
        return "".join(each if each in _SEPARATORS else "\n" for each in breaks)

    def is_document_mark(self) -> bool:
        """Whether `---` or `...` stands here at the beginning of a line."""
        return (
            self.column == 0
            and (self.text.startswith("---", self.at) or self.text.startswith("...", self.at))
            and self.peek(3) in BLANKS_OR_END
        )

    def refusal(self, why: str) -> BuiltinError:
        return BuiltinError(f"yaml: line {self.line + 1}: {why}")
