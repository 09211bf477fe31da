"""OPA's `replace` and `strings.replace_n`, which are Go's strings.Replacer. Not replacing by regular expressions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from authz_rego.builtins.bounds import LONGEST_TEXT, beyond_bounds, require_length
from authz_rego.builtins.operands import string_operand, wrong_operand
from authz_rego.errors import BuiltinError
from authz_rego.values.order import sorted_keys
from authz_rego.values.value import Value


def _replace(text: Value, old: Value, new: Value) -> str:
    if type(text) is not str or type(old) is not str or type(new) is not str:
        for position, each in enumerate((text, old, new), 1):
            string_operand(each, position)
    if not old and new and not text.isascii():
        raise _torn("replace")
    if len(text) + (len(text) + 1) * len(new) > LONGEST_TEXT:
        require_length("replace", len(text) + text.count(old) * (len(new) - len(old)))
    replaced: str = text.replace(old, new)
    return replaced


def _replace_n(patterns: Value, text: Value) -> str:
    if type(patterns) is not dict:
        raise wrong_operand(patterns, 1, "object")
    base = string_operand(text, 2)
    for key in sorted_keys(patterns):
        if type(key) is not str or type(patterns[key]) is not str:
            wrong = "key" if type(key) is not str else "value"
            raise BuiltinError(f"operand 1 non-string {wrong} found in pattern object")
    parts = []
    length = 0
    for part in _pieces(base, patterns):
        length += len(part)
        require_length("strings.replace_n", length)
        parts.append(part)
    return "".join(parts)


def _pieces(text: str, patterns: dict[Any, str]) -> Iterator[str]:
    """The text piece by piece. Of the old strings that stand at a place OPA takes the first in order: the shortest.

    The empty string stands everywhere but directly behind itself: its replacement comes before each byte that is
    not replaced, and before each old string.
    """
    empty = patterns.get("", "")
    tree = _tree(patterns)
    at = 0
    while at < len(text):
        yield empty
        end = _end_of_match(tree, text, at)
        if end > at:
            yield patterns[text[at:end]]
            at = end
            continue
        if empty and text[at] > "\x7f":
            raise _torn("strings.replace_n")
        yield text[at]
        at += 1
    yield empty


def _tree(patterns: dict[Any, str]) -> dict[str, Any]:
    """The old strings by character; `""` marks an end. What begins with another old string is never found."""
    root: dict[str, Any] = {}
    for key in sorted(patterns):
        node = root
        for character in key:
            if "" in node:
                break
            node = node.setdefault(character, {})
        else:
            if key:
                node[""] = None
    return root


def _end_of_match(tree: dict[str, Any], text: str, at: int) -> int:
    node: dict[str, Any] | None = tree
    for place in range(at, len(text)):
        node = node.get(text[place]) if node else None
        if node is None:
            return at
        if "" in node:
            return place + 1
    return at


def _torn(name: str) -> Exception:
    """Go puts the new string between the bytes of a character, and what comes out is no text."""
    return beyond_bounds(name, "an empty string to replace would tear characters apart")


FUNCTIONS: Final[dict[str, Callable[..., Value]]] = {"replace": _replace, "strings.replace_n": _replace_n}
