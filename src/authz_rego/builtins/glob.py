"""OPA's `glob.match` and `glob.quote_meta`: github.com/gobwas/glob 1.1.0. Not how a glob is read or walked."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final

from authz_rego.builtins.glob_nodes import Node, Sequence, Star, needs_walk
from authz_rego.builtins.glob_stars import stars_match
from authz_rego.builtins.glob_syntax import parsed
from authz_rego.builtins.glob_tree import arranged, least_length, required_end
from authz_rego.builtins.glob_walk import walk
from authz_rego.builtins.operands import kind_of, string_operand, wrong_operand
from authz_rego.errors import BuiltinError
from authz_rego.values.byte_texts import alike
from authz_rego.values.value import Value

_QUOTED: Final = str.maketrans({each: f"\\{each}" for each in "*?\\[]{}"})


def _match(pattern: Value, delimiters: Value, text: Value) -> bool:
    if type(pattern) is not str:
        raise wrong_operand(pattern, 1, "string")
    if type(delimiters) is list and len(delimiters) == 1 and type(delimiters[0]) is str and len(delimiters[0]) == 1:
        separators = delimiters[0]
    else:
        separators = _separators(delimiters)
    if type(text) is not str:
        raise wrong_operand(text, 3, "string")
    return _matcher(pattern, separators if separators.isascii() else alike(separators))(text)


def _quote_meta(pattern: Value) -> str:
    return string_operand(pattern, 1).translate(_QUOTED)


def _separators(delimiters: Value) -> str:
    if delimiters is None:
        return ""
    if type(delimiters) is not list:
        raise wrong_operand(delimiters, 2, "array", "null")
    for each in delimiters:
        if type(each) is not str or len(each) != 1:
            wanted = "string" if type(each) is not str else "rune"
            raise BuiltinError(f"operand 2 must be array of {wanted}s but got array containing {kind_of(each)}")
    return "".join(delimiters) or "."


@lru_cache(maxsize=256)
def _matcher(pattern: str, separators: str) -> Callable[[str], bool]:
    root = arranged(parsed(pattern, separators))
    return _walker(root) if needs_walk(root) else _chain(root)


def _chain(root: Node) -> Callable[[str], bool]:
    """For a glob that is matched without trying anything twice: most are."""
    match = root.match

    def matches(text: str) -> bool:
        return match(text, 0) == len(text)

    return matches


def _walker(root: Node) -> Callable[[str], bool]:
    least, end = least_length(root), required_end(root)
    if isinstance(root, Sequence) and all(isinstance(part, Star) or not needs_walk(part) for part in root.parts):
        parts = root.parts

        def stars(text: str) -> bool:
            return len(text) >= least and text.endswith(end) and stars_match(parts, text)

        return stars

    def matches(text: str) -> bool:
        return len(text) >= least and text.endswith(end) and walk(root, text)

    return matches


FUNCTIONS: Final[dict[str, Callable[..., Value]]] = {"glob.match": _match, "glob.quote_meta": _quote_meta}
