"""The document of rules with variables in their heads, while its members come in. Not their evaluation."""

from __future__ import annotations

from typing import Any

from authz_rego.errors import NOWHERE, EvaluationError, Place
from authz_rego.values.value import Key, Value, equal, key_of

CONFLICT = "eval_conflict_error"


class PartialObject:
    """An object, and the objects and sets in it, that grow; two values at one place are an error."""

    __slots__ = ("_root",)

    def __init__(self) -> None:
        self._root: dict[str | Key, Any] = {}

    def put(self, path: tuple[Value, ...], value: Value, place: Place = NOWHERE) -> None:
        """The value at a path below the document."""
        last, leaf = self._leaf(path, place)
        found = leaf.get(last)
        if last in leaf:
            if not equal(_frozen(found), value):
                raise _conflict(place)
        else:
            leaf[last] = value

    def add(self, path: tuple[Value, ...], member: Value, place: Place = NOWHERE) -> None:
        """A member of the set at a path below the document."""
        last, leaf = self._leaf(path, place)
        members = leaf.setdefault(last, set())
        if type(members) is frozenset:  # the value of a rule, which grows
            members = leaf[last] = set(members)
        if type(members) is not set:
            raise _conflict(place)
        members.add(key_of(member))

    def value(self) -> Value:
        """The document."""
        return _frozen(self._root)

    def _leaf(self, path: tuple[Value, ...], place: Place) -> tuple[str | Key, dict[str | Key, Any]]:
        keys = tuple(map(key_of, path))
        node: Any = self._root
        for key in keys[:-1]:
            node = node.setdefault(key, _Object())
            if type(node) is not _Object:
                raise _conflict(place)
        return keys[-1], node


class _Object(dict[Any, Any]):
    """An object that rules make member by member, as opposed to one that is a rule's value."""


def _frozen(value: Any) -> Value:
    if type(value) is set:
        return frozenset(value)
    if type(value) is _Object:
        return {key: _frozen(member) for key, member in value.items()}
    if type(value) is dict:
        return {key: _frozen(member) if type(member) in {set, _Object} else member for key, member in value.items()}
    return value


def _conflict(place: Place) -> EvaluationError:
    return EvaluationError(CONFLICT, "object keys must be unique", place)
