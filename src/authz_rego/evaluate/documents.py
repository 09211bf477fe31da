"""All that is below `data`, rules and plain data together, as OPA walks it. Compiled references go shorter ways."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from authz_rego.evaluate.context import Context, Path, merged
from authz_rego.evaluate.lookups import COLLECTIONS, base_lookup, find, items, lookup
from authz_rego.values.value import UNDEFINED, Key, Value, key_of, place_key, sorted_keys, value_of


@dataclass(slots=True)
class Place:
    """One path below `data`: a document that rules give, or what is below."""

    document: Callable[[Context], Value] | None = None  # None: no rules here; a function is UNDEFINED
    members: Sequence[Callable[..., Value]] = ()  # what is at one key of the document, at two, …; without all of it
    children: dict[str | Key, Place] = field(default_factory=dict)
    hidden: bool = False

    def find(self, path: Path) -> Place | None:
        place: Place | None = self
        for key in path:
            place = place.children.get(place_key(key)) if place is not None else None
        return place


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a reference has come, as long as it is not inside of a value."""

    path: Path
    place: Place | None
    keys: Path = ()  # below the place, where it has a document that has not been asked yet

    def value(self, context: Context) -> Value:
        """Of the document."""
        assert self.place is not None
        assert self.place.document is not None
        return (
            self.place.members[len(self.keys) - 1](context, *self.keys) if self.keys else self.place.document(context)
        )


class Documents:
    """The rules' documents and the plain data."""

    def __init__(self, root: Place, data: Value) -> None:
        self.root = root
        self._data = data
        self.start = Cursor((), root)

    def has(self, path: Path) -> bool:
        """Whether there can be something at a path: a rule at it or above, a package, or data."""
        place: Place | None = self.root
        for key in path:
            place = place.children.get(place_key(key)) if place is not None else None
            if place is not None and place.document is not None:
                return True
        return place is not None or self.stored(path) is not UNDEFINED

    # ── plain data ──

    def base(self, context: Context, path: Path) -> Value:
        """What is at a path without rules; what `with` replaced is there."""
        over = find(context.overlay, path) if context.overlay is not UNDEFINED else UNDEFINED
        if context.is_replaced(path):
            return over
        taken = [(each[len(path) :], UNDEFINED) for each in context.taken if each[: len(path)] == path]
        return merged(_merge(over, self.stored(path)), taken)

    def stored(self, path: Path) -> Value:
        """What is at a path of the data that was loaded."""
        if any(type(key) in COLLECTIONS or type(key) is bool or key is None for key in path):
            return UNDEFINED
        value = self._data
        for key in path:
            value = base_lookup(value, key)
            if value is UNDEFINED:
                return UNDEFINED
        if not path and type(value) is dict and "system" in value:
            return {key: member for key, member in value.items() if key != "system"}
        return value

    # ── step by step ──

    def step(self, context: Context, cursor: Cursor | Value, key: Value) -> Cursor | Value:
        """One step further; UNDEFINED when there is nothing."""
        if type(cursor) is not Cursor:
            return lookup(cursor, key)
        if cursor.place is not None and cursor.place.document is not None:
            keys = (*cursor.keys, key)
            if len(keys) <= len(cursor.place.members):
                return Cursor(cursor.path, cursor.place, keys)
            return lookup(cursor.value(context), key)
        path = (*cursor.path, key)
        place = cursor.place.children.get(place_key(key)) if cursor.place is not None else None
        if place is not None and context.is_replaced(path):
            place = None
        if place is not None and place.document is not None and not place.members:
            return place.document(context)
        return Cursor(path, place)

    def each(self, context: Context, cursor: Cursor | Value) -> Iterator[tuple[Value, Cursor | Value]]:
        """One step further, wherever it leads."""
        if type(cursor) is not Cursor:
            yield from items(cursor)
            return
        if cursor.place is not None and cursor.place.document is not None:
            yield from items(cursor.value(context))
            return
        base = self.base(context, cursor.path)
        seen: set[str | Key] = set()
        for key, _ in items(base):
            seen.add(key_of(key))
            found = self.step(context, cursor, key)
            if found is not UNDEFINED:
                yield key, found
        if cursor.place is None:
            return
        for name in sorted_keys(cursor.place.children):
            if name not in seen:
                found = self.step(context, cursor, value_of(name))
                if found is not UNDEFINED:
                    yield value_of(name), found

    def finish(self, context: Context, cursor: Cursor | Value) -> Value:
        """The value at the end of a reference."""
        if type(cursor) is not Cursor:
            return cursor
        if cursor.place is not None and cursor.place.document is not None:
            return cursor.value(context)
        base = self.base(context, cursor.path)
        if cursor.place is None:
            return base
        return _merge(base, self._below(context, cursor.path, cursor.place))

    def at(self, context: Context, path: Path) -> Value:
        """The value at a path."""
        cursor: Cursor | Value = self.start
        for key in path:
            cursor = self.step(context, cursor, key)
            if cursor is UNDEFINED:
                return UNDEFINED
        return self.finish(context, cursor)

    def _below(self, context: Context, path: Path, place: Place) -> Value:
        """The documents of all rules at and below a path."""
        found: dict[str | Key, Value] = {}
        for name in sorted_keys(place.children):
            child = place.children[name]
            if child.hidden:
                continue
            below = (*path, value_of(name))
            value = self._below(context, below, child) if child.document is None else self.at(context, below)
            if value is not UNDEFINED:
                found[key_of(value_of(name))] = value
        return found


def _merge(one: Value, other: Value) -> Value:
    """Both documents in one; where they differ, the first holds."""
    if one is UNDEFINED:
        return other
    if other is UNDEFINED or type(one) is not dict or type(other) is not dict:
        return one
    new: dict[Any, Any] = dict(one)
    for key, value in _mapping(other).items():
        new[key] = _merge(one[key], value) if key in one else value
    return new


def _mapping(value: Value) -> Mapping[str | Key, Value]:
    return value  # type: ignore[no-any-return]
