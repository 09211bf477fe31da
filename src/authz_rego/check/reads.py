"""Which parts of its input a policy can read, so that nobody need make the others. Not what it does with them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias, Union

from authz_rego.check.walk import walk
from authz_rego.syntax.tree import Module, Ref, Scalar, Var

# What is read below a member: None is everything, a mapping is only these members.
Reads: TypeAlias = Union[dict[str, "Reads"], None]  # noqa: UP007 - `|` does not take a name in quotes


def reads_of(modules: Iterable[Module]) -> Reads:
    """What all rules together read: `{"token": {"sub": None}}` is nothing but `input.token.sub`, and all below that."""
    reads: dict[str, Reads] = {}
    for module in modules:
        for rule in module.rules:
            for node in walk(rule):
                if isinstance(node, Ref) and isinstance(node.head, Var) and node.head.name == "input":
                    path = _constant_names(node)
                    if not path:
                        return None
                    _add(reads, path)
    return reads


def _constant_names(ref: Ref) -> list[str]:
    names: list[str] = []
    for step in ref.path:
        if not isinstance(step, Scalar) or not isinstance(step.value, str):
            break
        names.append(step.value)
    return names


def _add(reads: dict[str, Reads], path: list[str]) -> None:
    for name in path[:-1]:
        below = reads.setdefault(name, {})
        if below is None:
            return  # all of it is read already
        reads = below
    reads[path[-1]] = None
