"""How deep a tree is: what comes after the parser walks it with Python's own stack. Changes nothing."""

from __future__ import annotations

from typing import Any, Final

from authz_rego.errors import RegoProblem
from authz_rego.syntax.cursor import PARSE_ERROR, TOO_DEEP
from authz_rego.syntax.tree import Module

MAX_DEPTH: Final = 200  # ours: `a + b + …` and `else` chains, brackets within brackets


def deepest_problem(module: Module) -> list[RegoProblem]:
    """A problem where the tree is deeper than that."""
    pending: list[tuple[Any, int]] = [(rule, 0) for rule in module.rules]
    while pending:
        node, depth = pending.pop()
        if type(node) is tuple:
            pending += [(each, depth) for each in node]
        elif hasattr(node, "__slots__") and hasattr(node, "place"):
            if depth > MAX_DEPTH:
                return [RegoProblem(PARSE_ERROR, node.place, TOO_DEEP, "split it up into several rules")]
            pending += [(getattr(node, name), depth + 1) for name in node.__slots__]
    return []
