"""The texts of scalars: plain, quoted, and in blocks. Not what they stand for (`resolving`)."""

from __future__ import annotations

import re
from typing import Final

from authz_rego.builtins.yaml.cursor import BLANKS, BLANKS_OR_BREAKS, BLANKS_OR_END, BREAKS, END, Cursor

_ESCAPES: Final = dict(zip("0abt\tnvfre \"'\\N_LP", "\0\a\b\t\t\n\v\f\r\x1b \"'\\\x85\xa0\u2028\u2029", strict=True))
_HEXADECIMAL: Final = {
    "x": re.compile("[0-9a-fA-F]{2}"),
    "u": re.compile("[0-9a-fA-F]{4}"),
    "U": re.compile("[0-9a-fA-F]{8}"),
}
_QUOTED_RUN: Final = {
    "'": re.compile(r"[^' \t\r\n\x85\u2028\u2029\0]+"),
    '"': re.compile(r'[^"\\ \t\r\n\x85\u2028\u2029\0]+'),
}
_BLANK_RUN: Final = re.compile(r"[ \t]+")
_HEADER: Final = re.compile(r"(?:([+-])([0-9]?)|([0-9])([+-]?))?[ \t]*")
# Until a colon or, in flow, an indicator; a colon belongs to the text unless a blank or break follows.
_PLAIN_RUN: Final = re.compile(r"(?:[^: \t\r\n\x85\u2028\u2029\0]+|:(?![ \t\r\n\x85\u2028\u2029\0]))+")
_FLOW_RUN: Final = re.compile(r"(?:[^:,?\[\]{} \t\r\n\x85\u2028\u2029\0]+|:(?![ \t\r\n\x85\u2028\u2029\0]))+")


def scan_quoted(cursor: Cursor) -> str:
    """From the opening quote to behind the closing one."""
    quote = cursor.peek()
    cursor.skip()
    found: list[str] = []
    while True:
        if cursor.is_document_mark():
            raise cursor.refusal("found unexpected document indicator")
        if cursor.peek() == END:
            raise cursor.refusal("found unexpected end of stream")
        is_folded = _scan_quoted_run(cursor, quote, found)
        if cursor.peek() == quote:
            cursor.skip()
            return "".join(found)
        found.append(_scan_quoted_blanks(cursor, is_folded=is_folded))


def _scan_quoted_run(cursor: Cursor, quote: str, found: list[str]) -> bool:
    """Up to a blank, a break or the closing quote; True when it ended with an escaped line break."""
    while cursor.peek() not in BLANKS_OR_END:
        found.append(cursor.take(_QUOTED_RUN[quote]))
        if quote == "'":
            if cursor.peek() != "'":
                continue
            if cursor.peek(1) != "'":
                return False
            found.append("'")
            cursor.skip(2)
        elif cursor.peek() == '"':
            return False
        elif cursor.peek() == "\\":
            if cursor.peek(1) in BREAKS:
                cursor.skip()
                cursor.take_break()
                return True
            found.append(_scan_escape(cursor))
    return False


def _scan_escape(cursor: Cursor) -> str:
    name = cursor.peek(1)
    plain = _ESCAPES.get(name)
    pattern = _HEXADECIMAL.get(name)
    if plain is not None:
        cursor.skip(2)
        return plain
    if pattern is None:
        raise cursor.refusal("found unknown escape character")
    cursor.skip(2)
    digits = cursor.take(pattern)
    if not digits:
        raise cursor.refusal("did not find expected hexdecimal number")
    code = int(digits, 16)
    if 0xD800 <= code <= 0xDFFF or code > 0x10FFFF:
        raise cursor.refusal("found invalid Unicode character escape code")
    return chr(code)


def _scan_quoted_blanks(cursor: Cursor, *, is_folded: bool) -> str:
    """Blanks as they are, unless there is a line break among them: then a space, or the further breaks."""
    if is_folded:
        return cursor.take_blank_lines()
    blanks = cursor.take(_BLANK_RUN)
    if cursor.peek() not in BREAKS:
        return blanks
    return _folded(cursor.take_break(), cursor.take_blank_lines())


def _folded(first: str, breaks: str) -> str:
    return (breaks or " ") if first == "\n" else first + breaks


def scan_plain(cursor: Cursor, indent: int, *, in_flow: bool) -> tuple[str, bool]:
    """The text, and whether line breaks were passed behind it.

    `indent` is the column that further lines of the text must reach, except in flow.
    """
    pattern = _FLOW_RUN if in_flow else _PLAIN_RUN
    found: list[str] = []
    between, has_breaks = "", False
    while not cursor.is_document_mark() and cursor.peek() != "#":
        run = cursor.take(pattern)
        if run:
            found += (between, run)
            between, has_breaks = "", False
        if cursor.peek() not in BLANKS_OR_BREAKS:
            break
        between, has_breaks = _scan_plain_blanks(cursor, indent)
        if not in_flow and cursor.column < indent:
            break
    return "".join(found), has_breaks


def _scan_plain_blanks(cursor: Cursor, indent: int) -> tuple[str, bool]:
    """What stands for the blanks and breaks if more text follows, and whether there are breaks."""
    blanks = cursor.take(_BLANK_RUN)
    if cursor.peek() not in BREAKS:
        return blanks, False
    return _folded(cursor.take_break(), cursor.take_blank_lines(indent)), True


def scan_block(cursor: Cursor, parent_indent: int) -> str:
    """A literal or folded block, from its indicator to behind its last line."""
    is_literal = cursor.peek() == "|"
    cursor.skip()
    chomping, increment = _scan_header(cursor)
    indent = max(parent_indent, 0) + increment if increment else 0
    breaks, indent = _scan_indentation(cursor, indent, parent_indent)
    found: list[str] = []
    line_break, was_indented = "", False
    while cursor.column == indent and cursor.peek() != END:
        is_indented = cursor.peek() in BLANKS
        if is_literal or was_indented or is_indented or line_break != "\n":
            found.append(line_break)
        elif not breaks:
            found.append(" ")
        found.append(breaks)
        was_indented = is_indented
        found.append(cursor.take_line())
        line_break = cursor.take_break() if cursor.peek() in BREAKS else ""
        breaks, indent = _scan_indentation(cursor, indent, parent_indent)
    if chomping != "-":
        found.append(line_break)
    if chomping == "+":
        found.append(breaks)
    return "".join(found)


def _scan_header(cursor: Cursor) -> tuple[str, int]:
    """Chomping and indentation indicators, and the rest of the line, which may be a comment."""
    match = _HEADER.match(cursor.text, cursor.at)
    assert match is not None  # it matches nothing, too
    cursor.skip(len(match[0]))
    digit = match[2] or match[3] or ""
    if digit == "0":
        raise cursor.refusal("found an indentation indicator equal to 0")
    cursor.end_line()
    return match[1] or match[4] or "", int(digit or 0)


def _scan_indentation(cursor: Cursor, indent: int, parent_indent: int) -> tuple[str, int]:
    """Empty lines and the indentation of the next one; that of the first one counts where none was given (0)."""
    breaks, deepest = "", 0
    while True:
        while (not indent or cursor.column < indent) and cursor.peek() == " ":
            cursor.skip()
        deepest = max(deepest, cursor.column)
        if (not indent or cursor.column < indent) and cursor.peek() == "\t":
            raise cursor.refusal("found a tab character where an indentation space is expected")
        if cursor.peek() not in BREAKS:
            break
        breaks += cursor.take_break()
    return breaks, indent or max(deepest, parent_indent + 1, 1)
