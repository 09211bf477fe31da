"""The kinds of tokens, their names in messages, and the words that are keywords. Not how a text is cut (`scanner`)."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class Kind(IntEnum):
    """What a token is."""

    ILLEGAL = 0
    EOF = 1
    WHITESPACE = 2
    IDENT = 3
    COMMENT = 4
    PACKAGE = 5
    IMPORT = 6
    AS = 7
    DEFAULT = 8
    ELSE = 9
    NOT = 10
    SOME = 11
    WITH = 12
    NULL = 13
    TRUE = 14
    FALSE = 15
    NUMBER = 16
    STRING = 17
    TEMPLATE_PART = 18
    TEMPLATE_END = 19
    RAW_TEMPLATE_PART = 20
    RAW_TEMPLATE_END = 21
    LBRACK = 22
    RBRACK = 23
    LBRACE = 24
    RBRACE = 25
    LPAREN = 26
    RPAREN = 27
    COMMA = 28
    COLON = 29
    ADD = 30
    SUB = 31
    MUL = 32
    QUO = 33
    REM = 34
    AND = 35  # &
    OR = 36  # |
    UNIFY = 37
    EQUAL = 38
    ASSIGN = 39
    IN = 40
    NEQ = 41
    GT = 42
    LT = 43
    GTE = 44
    LTE = 45
    DOT = 46
    SEMICOLON = 47
    EVERY = 48
    CONTAINS = 49
    IF = 50
    LOGICAL_AND = 51
    LOGICAL_OR = 52


# As OPA calls them in messages; an operator has the name of its builtin.
NAMES: Final[tuple[str, ...]] = (
    "illegal", "eof", "whitespace", "identifier", "comment", "package", "import", "as", "default", "else", "not",
    "some", "with", "null", "true", "false", "number", "string", "template-string-part", "template-string-end",
    "raw-template-string-part", "raw-template-string-end", "[", "]", "{", "}", "(", ")", ",", ":", "plus", "minus",
    "mul", "div", "rem", "and", "or", "eq", "equal", "assign", "in", "neq", "gt", "lt", "gte", "lte", ".", ";",
    "every", "contains", "if", "and", "or",
)  # fmt: skip

_ALWAYS: Final = {
    "package": Kind.PACKAGE,
    "import": Kind.IMPORT,
    "as": Kind.AS,
    "default": Kind.DEFAULT,
    "else": Kind.ELSE,
    "not": Kind.NOT,
    "some": Kind.SOME,
    "with": Kind.WITH,
    "null": Kind.NULL,
    "true": Kind.TRUE,
    "false": Kind.FALSE,
}
# Keywords of Rego v1 that once had to be imported; they still may.
_ONCE_IMPORTED: Final = {"in": Kind.IN, "every": Kind.EVERY, "contains": Kind.CONTAINS, "if": Kind.IF}
# `not` is one always; importing it gives it a body.
TO_IMPORT: Final = {"not": Kind.NOT, "and": Kind.LOGICAL_AND, "or": Kind.LOGICAL_OR}

FUTURE: Final = _ONCE_IMPORTED | TO_IMPORT
IN_V1: Final = _ALWAYS | _ONCE_IMPORTED

# What OPA's messages call "keyword" rather than "token". `&` and `|` share a name with `and` and `or`, not the word.
KEYWORD_KINDS: Final = frozenset(IN_V1.values()) | frozenset(TO_IMPORT.values())
