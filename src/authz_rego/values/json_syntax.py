"""Whether a text is JSON, however deep and however large its numbers. Not what it says (`json_text`)."""

from __future__ import annotations

import re
from typing import Final

_MOST_LEVELS: Final = 10_000  # Go's
_TOKEN: Final = re.compile(
    r'[ \t\n\r]*("(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*"'
    r"|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![0-9.eE+-])|true|false|null|[\[\]{},:])"
)
_BLANKS: Final = " \t\n\r"
_SIGNS: Final = frozenset("[]{},:")


# What may come, by what is awaited; "after" is a comma or the end of what is open.
_VALUE: Final = {"[": "value or ]", "{": "key or }", "scalar": "after"}
_FOLLOWS: Final = {
    "value": _VALUE,
    "value or ]": _VALUE | {"]": "after"},
    "key": {"text": "colon"},
    "key or }": {"text": "colon", "}": "after"},
    "colon": {":": "value"},
    "after [": {",": "value", "]": "after"},
    "after {": {",": "key", "}": "after"},
}


def is_json(text: str) -> bool:
    """Go's json.Valid."""
    open_ones: list[str] = []
    awaited = "value"
    at = 0
    while awaited != "end":
        match = _TOKEN.match(text, at)
        if match is None or len(open_ones) > _MOST_LEVELS:
            return False
        at = match.end()
        found = match[1]
        kind = found if found in _SIGNS else "text" if found[0] == '"' and awaited[:3] == "key" else "scalar"
        awaited = _FOLLOWS[awaited].get(kind, "")
        if not awaited:
            return False
        if kind in {"[", "{"}:
            open_ones.append(kind)
        elif kind in {"]", "}"}:
            open_ones.pop()
        if awaited == "after":
            awaited = f"after {open_ones[-1]}" if open_ones else "end"
    return not text[at:].strip(_BLANKS)
