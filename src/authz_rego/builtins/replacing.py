"""OPA's `replace` and `strings.replace_n`, which are Go's strings.Replacer. Not replacing by regular expressions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from authz_rego.builtins.bounds import LONGEST_TEXT, require_length
from authz_rego.builtins.operands import string_operand, wrong_operand
from authz_rego.errors import BuiltinError
from authz_rego.values.byte_texts import is_torn, raw_of, text_of_bytes
from authz_rego.values.value import Value, sorted_keys


def _replace(text: Value, old: Value, new: Value) -> str:
    text, old, new = string_operand(text, 1), string_operand(old, 2), string_operand(new, 3)
    if text.isascii() and old.isascii() and new.isascii():
        return _replaced(text, old, new)
    if is_torn(text) or is_torn(old) or is_torn(new) or (not old and new and not text.isascii()):
        return _of_bytes(_replaced(_bytes(text), _bytes(old), _bytes(new)))
    return _replaced(text, old, new)


def _replaced(text: str, old: str, new: str) -> str:
    if len(text) + (len(text) + 1) * len(new) > LONGEST_TEXT:
        require_length("replace", len(text) + text.count(old) * (len(new) - len(old)))
    return text.replace(old, new)


def _replace_n(patterns: Value, text: Value) -> str:
    if type(patterns) is not dict:
        raise wrong_operand(patterns, 1, "object")
    base = string_operand(text, 2)
    for key in sorted_keys(patterns):
        if type(key) is not str or type(patterns[key]) is not str:
            wrong = "key" if type(key) is not str else "value"
            raise BuiltinError(f"operand 1 non-string {wrong} found in pattern object")
    texts: list[str] = [base, *patterns, *patterns.values()]
    if any(map(is_torn, texts)) or (patterns.get("") and not base.isascii()):
        by_bytes = {_bytes(old): _bytes(new) for old, new in patterns.items()}
        return _of_bytes(_all_replaced(_bytes(base), by_bytes))
    return _all_replaced(base, patterns)


def _bytes(text: str) -> str:
    """A character for each byte: Go puts the new string for an empty one also between the bytes of a character."""
    return raw_of(text).decode("latin-1")


def _of_bytes(text: str) -> str:
    return text_of_bytes(text.encode("latin-1"))


def _all_replaced(base: str, patterns: dict[Any, str]) -> str:
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


FUNCTIONS: Final[dict[str, Callable[..., Value]]] = {"replace": _replace, "strings.replace_n": _replace_n}
