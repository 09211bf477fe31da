"""Remembers what was found in a comprehension: OPA asks again and again, twice as often for each level of nesting."""

from __future__ import annotations

from typing import TypeAlias

from authz_rego.check.type_env import TypeEnv
from authz_rego.check.walk import walk
from authz_rego.errors import RegoProblem
from authz_rego.syntax.tree import Comprehension, Var

Checked: TypeAlias = tuple[TypeEnv, list[RegoProblem]]
_Key: TypeAlias = tuple[int, ...]


class Known:
    """Of one branch of a rule: what is known of rules does not change there.

    The rest of what a comprehension's types can depend on is its key: the types of the variables in it, and what
    `with`s replace around it.
    """

    def __init__(self) -> None:
        self._variables: dict[int, list[Var]] = {}
        # All that is known by its id is kept, so that no id is given again.
        self._found: dict[_Key, tuple[Checked, tuple[object, ...]]] = {}

    def find(self, env: TypeEnv, term: Comprehension) -> Checked | None:
        """What was found when all that matters was the same."""
        found = self._found.get(_key(self._parts(env, term)))
        return None if found is None else found[0]

    def keep(self, env: TypeEnv, term: Comprehension, found: Checked) -> None:
        parts = self._parts(env, term)
        self._found[_key(parts)] = found, parts

    def _parts(self, env: TypeEnv, term: Comprehension) -> tuple[object, ...]:
        if id(term) not in self._variables:
            names = {node.name: node for node in walk(term) if isinstance(node, Var)}
            self._variables[id(term)] = list(names.values())
        nodes = map(env.variable, self._variables[id(term)])
        # A variable that has a place but no type is not the same as one that has no place.
        types = (self if node is None else node.type for node in nodes)
        return (term, *types, *env.replacements())


def _key(parts: tuple[object, ...]) -> _Key:
    return tuple(map(id, parts))
