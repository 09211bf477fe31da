"""Whether go-yaml writes a text plainly, in quotes or as a block. Not the writing (`emitting`)."""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import Final

from authz_rego.builtins.yaml.cursor import BREAKS
from authz_rego.builtins.yaml.nodes import STR
from authz_rego.builtins.yaml.resolving import resolve


class Style(Enum):
    """How a text is written."""

    PLAIN = auto()
    SINGLE_QUOTED = auto()
    DOUBLE_QUOTED = auto()
    LITERAL = auto()


# What YAML 1.1 takes for booleans and for numbers of base 60: quoted for those who still read that.
_OLD_BOOLEANS: Final = frozenset(
    (*("y", "Y", "yes", "Yes", "YES", "on", "On", "ON"), *("n", "N", "no", "No", "NO", "off", "Off", "OFF"))
)
_BASE_60: Final = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")

_BREAK: Final = "[\r\n\x85\u2028\u2029]"
_ANY_BREAK: Final = re.compile(_BREAK)
_SPACE_AT_END: Final = re.compile(r" \Z")
_BREAK_THEN_SPACE: Final = re.compile(f"{_BREAK} ")
_SPACE_THEN_BREAK: Final = re.compile(f" {_BREAK}")
_BLANK_OR_BREAK_AT_AN_END: Final = re.compile("[ \r\n\x85\u2028\u2029]|.*[ \r\n\x85\u2028\u2029]\\Z", re.DOTALL)
# What may not be written as it is; beyond U+FFFF go-yaml takes nothing for printable.
_SPECIAL: Final = re.compile("[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd]")
# What is written as a code between double quotes.
CODED: Final = re.compile('[^\x20-\x7e\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd]|["\\\\\u2028\u2029]')
_INDICATORS: Final = re.compile(
    r"---|\.\.\.|[#,\[\]{}&*!|>'\"%@`]|[-?:](?:[ \t]|\Z)"  # at the beginning
    r"|.*?(?::(?:[ \t]|\Z)|[ \t\r\n\x85\u2028\u2029]#)",  # anywhere
    re.DOTALL,
)


def choose_style(text: str, *, is_simple_key: bool) -> Style:
    """The style; a simple key is followed by a colon on its own line."""
    if "\n" in text:
        return _style_of_lines(text, is_simple_key=is_simple_key)
    tag, _ = resolve("", text)
    if tag != STR or text in _OLD_BOOLEANS or _BASE_60.fullmatch(text):
        return Style.DOUBLE_QUOTED
    if not (_INDICATORS.match(text) or _needs_quotes(text)):
        return Style.PLAIN
    return Style.SINGLE_QUOTED if _may_be_single_quoted(text) else Style.DOUBLE_QUOTED


def breaks_lines(text: str) -> bool:
    return _ANY_BREAK.search(text) is not None


def is_break(character: str) -> bool:
    return character in BREAKS


def _style_of_lines(text: str, *, is_simple_key: bool) -> Style:
    is_block = not (
        is_simple_key or _SPACE_AT_END.search(text) or _SPACE_THEN_BREAK.search(text) or _SPECIAL.search(text)
    )
    return Style.LITERAL if is_block else Style.DOUBLE_QUOTED


def _needs_quotes(text: str) -> bool:
    return (
        "\t" in text
        or _ANY_BREAK.search(text) is not None
        or _SPECIAL.search(text) is not None
        or _BLANK_OR_BREAK_AT_AN_END.match(text) is not None
    )


def _may_be_single_quoted(text: str) -> bool:
    return "\t" not in text and not (
        _SPECIAL.search(text) or _SPACE_THEN_BREAK.search(text) or _BREAK_THEN_SPACE.search(text)
    )
