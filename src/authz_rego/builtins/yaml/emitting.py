"""YAML text as go-yaml writes it with an indentation of two. Not how it chooses a style (`styles`)."""

from __future__ import annotations

import re
from typing import Any, Final

from authz_rego.builtins.yaml.floats import yaml_text
from authz_rego.builtins.yaml.key_order import sorted_keys
from authz_rego.builtins.yaml.styles import CODED, Style, breaks_lines, choose_style, is_break

_STEP: Final = 2
_LONGEST_SIMPLE_KEY: Final = 128  # bytes
_CODES: Final = dict(zip('\0\a\b\t\n\v\f\r\x1b"\\\x85\xa0\u2028\u2029', '0abtnvfre"\\N_LP', strict=True))


def emit(value: Any) -> str:
    """The document's text. Members are None, bool, int, float, str, lists and dicts with text as keys."""
    emitter = _Emitter()
    emitter.write_node(value)
    emitter.indent = 0
    emitter.write_indent()
    return "".join(emitter.parts)


class _Emitter:
    """Where the writing stands: go-yaml decides by these whether a line must be ended first."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.indent = -1
        self._column = 0
        self._after_blank = True
        self._at_indentation = True

    def write_node(self, value: Any, *, is_simple_key: bool = False) -> None:
        if isinstance(value, dict):
            self._write_mapping(value)
        elif isinstance(value, list):
            self._write_sequence(value)
        else:
            outer = self.indent
            self.indent = _STEP if outer < 0 else outer + _STEP
            self._write_scalar(value, is_simple_key=is_simple_key)
            self.indent = outer

    def _write_mapping(self, members: dict[str, Any]) -> None:
        if not members:
            self._write_indicator("{", after_blank=True)
            self._write_indicator("}", needs_blank=False)
            return
        outer, self.indent = self.indent, self.indent + _STEP if self.indent >= 0 else 0
        for key in sorted_keys(members):
            self.write_indent()
            if not breaks_lines(key) and len(key.encode()) <= _LONGEST_SIMPLE_KEY:
                self.write_node(key, is_simple_key=True)
                self._write_indicator(":", needs_blank=False)
            else:
                self._write_indicator("?", is_indentation=True)
                self.write_node(key)
                self.write_indent()
                self._write_indicator(":", is_indentation=True)
            self.write_node(members[key])
        self.indent = outer

    def _write_sequence(self, items: list[Any]) -> None:
        if not items:
            self._write_indicator("[", after_blank=True)
            self._write_indicator("]", needs_blank=False)
            return
        outer, self.indent = self.indent, self.indent + _STEP if self.indent >= 0 else 0
        for item in items:
            self.write_indent()
            self._write_indicator("-", is_indentation=True)
            self.write_node(item)
        self.indent = outer

    def _write_scalar(self, value: Any, *, is_simple_key: bool) -> None:
        if isinstance(value, str):
            style = choose_style(value, is_simple_key=is_simple_key)
            if style is Style.DOUBLE_QUOTED:
                self._write_double_quoted(value)
            elif style is Style.SINGLE_QUOTED:
                self._write_single_quoted(value)
            elif style is Style.LITERAL:
                self._write_literal(value)
            else:
                self._write_plain(value)
        else:
            self._write_plain(_atom_text(value))

    def write_indent(self) -> None:
        """A new line, unless there is one, and its indentation."""
        indent = max(self.indent, 0)
        is_beyond = self._column > indent or (self._column == indent and not self._after_blank)
        if not self._at_indentation or is_beyond:
            self._put_break("\n")
        if self._column < indent:
            self._put(" " * (indent - self._column))
        self._after_blank = True

    def _write_indicator(
        self, text: str, *, needs_blank: bool = True, after_blank: bool = False, is_indentation: bool = False
    ) -> None:
        if needs_blank and not self._after_blank:
            self._put(" ")
        self._put(text)
        self._after_blank = after_blank
        self._at_indentation = self._at_indentation and is_indentation

    def _put(self, text: str) -> None:
        self.parts.append(text)
        self._column += len(text)

    def _put_break(self, character: str) -> None:
        self.parts.append(character)
        self._column = 0
        self._at_indentation = True

    def _write_plain(self, text: str) -> None:
        if text and not self._after_blank:
            self._put(" ")
        self._put(text)
        self._after_blank = self._after_blank and not text
        self._at_indentation = False

    def _write_double_quoted(self, text: str) -> None:
        self._write_indicator('"')
        # go-yaml means to encode a byte order mark, but looks for it at the beginning of the text only, each time.
        self._put("".join(map(_encoded, text)) if text.startswith("\ufeff") else CODED.sub(_encoded_match, text))
        self._write_indicator('"', needs_blank=False)

    def _write_single_quoted(self, text: str) -> None:
        self._write_indicator("'")
        was_break = False
        for character in text:
            if is_break(character):
                if not was_break and character == "\n":
                    self._put_break("\n")
                self._put_break(character)
            else:
                if was_break:
                    self.write_indent()
                self._put("''" if character == "'" else character)
                self._at_indentation = False
            was_break = is_break(character)
        self._write_indicator("'", needs_blank=False)

    def _write_literal(self, text: str) -> None:
        self._write_indicator("|")
        self._write_hints(text)
        self._put_break("\n")
        self._after_blank = True
        was_break = True
        for character in text:
            if is_break(character):
                self._put_break(character)
            else:
                if was_break:
                    self.write_indent()
                self._put(character)
                self._at_indentation = False
            was_break = is_break(character)

    def _write_hints(self, text: str) -> None:
        """How far it is indented, where that cannot be seen, and what of its last line breaks counts."""
        if text[0] == " " or is_break(text[0]):
            self._write_indicator(str(_STEP), needs_blank=False)
        if not is_break(text[-1]):
            self._write_indicator("-", needs_blank=False)
        elif len(text) == 1 or is_break(text[-2]):
            self._write_indicator("+", needs_blank=False)


def _encoded_match(match: re.Match[str]) -> str:
    return _encoded(match[0])


def _encoded(character: str) -> str:
    code = ord(character)
    if character in _CODES:
        return f"\\{_CODES[character]}"
    if code <= 0xFF:
        return f"\\x{code:02X}"
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"


def _atom_text(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return yaml_text(value) if isinstance(value, float) else str(value)
