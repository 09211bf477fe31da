"""A value that is edited step by step, as OPA's own edit tree does it. Not the operations of a patch (`json_patches`).

OPA leaves the value as it was and notes the edits beside it, and its notes are wrong at times: after an array has grown
at its front, a path into it finds what stood there at first, and there are edits that it cannot put together at all. A
policy must get the answer that OPA gives, so the notes are kept here in the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from authz_rego.builtins.edited_array import ArrayEdits
from authz_rego.errors import BuiltinError, EvaluationError
from authz_rego.values.number import Number, int64_of, int64_of_text
from authz_rego.values.value import UNDEFINED, Key, Value, equal, key_of

_COLLECTIONS: Final = frozenset({list, dict, frozenset})


def impossible() -> EvaluationError:
    """Where OPA has no answer, not even undefined: it stops at its own notes."""
    return EvaluationError("eval_internal_error", "json.patch: these edits cannot be put together")


class EditTree:
    """The edits of one value, which is UNDEFINED after the whole was removed."""

    __slots__ = ("array", "children", "unusable", "value")

    def __init__(self, value: Value) -> None:
        self.unusable = False  # once the whole was removed, OPA has nowhere to note anything
        self.replace(value)

    def replace(self, value: Value) -> None:
        """The whole; nothing of what was noted stays."""
        self.value = value
        # Of an object or a set: the key as it was last written, and what is there; UNDEFINED where it was deleted.
        self.children: dict[str | Key, tuple[str | Key, Value | EditTree]] = {}
        self.array = ArrayEdits(len(value) if type(value) is list else 0)

    def insert_at(self, path: Sequence[Value], value: Value) -> None:
        """Raises BuiltinError when there is no such place."""
        if value is UNDEFINED:
            raise BuiltinError("json.patch: nothing to insert")
        if path:
            self.unfold(path[:-1]).insert(path[-1], value)
        else:
            self.replace(value)

    def delete_at(self, path: Sequence[Value]) -> None:
        """Raises BuiltinError when nothing is there."""
        if path:
            self.unfold(path[:-1]).delete(path[-1])
            return
        self.require_value()
        self.replace(UNDEFINED)
        self.unusable = True

    def unfold(self, path: Sequence[Value]) -> EditTree:
        """The tree of what is at the path; on the way there all is noted as if it had been edited."""
        found = self
        for step in path:
            found = found.child(step)
        return found

    def require_value(self) -> None:
        if self.value is UNDEFINED:
            raise BuiltinError("json.patch: the document was removed")

    def child(self, step: Value) -> EditTree:
        self.require_value()
        kind = type(self.value)
        if kind is list:
            return self._element(step)
        if kind is not dict and kind is not frozenset:
            raise BuiltinError("json.patch: a path leads through what has no members")
        if kind is frozenset and type(step) in _COLLECTIONS:
            self.collapse()
        key = key_of(step)
        if key in self.children:
            found = self.children[key][1]
            if found is UNDEFINED:
                raise (
                    BuiltinError("json.patch: a path leads through what was removed") if kind is dict else impossible()
                )
            return found if type(found) is EditTree else EditTree(found)
        if key not in self.value:
            raise BuiltinError("json.patch: a path leads nowhere")
        return self.insert(step, self.value[key] if kind is dict else step)

    def _element(self, step: Value) -> EditTree:
        at = self._index(step)
        found = self.array.found(at)
        if found is not UNDEFINED:
            return found if type(found) is EditTree else EditTree(found)
        # Here OPA looks at the array as it was at first, at a position of the array as it is now.
        if not 0 <= at < len(self.value):
            raise BuiltinError("json.patch: a path leads nowhere")
        self.delete(at)
        return self.insert(at, self.value[at])

    def insert(self, key: Value, value: Value) -> EditTree:
        """The tree of the value, which is at the key now."""
        self.require_value()
        child = EditTree(value)
        noted = child if type(value) in _COLLECTIONS else value
        if type(self.value) is list:
            at = self._index(key)
            if not 0 <= at <= self.array.size:
                raise BuiltinError("json.patch: index out of bounds")
            if self.unusable or not self.array.insert(at, noted, is_tree=noted is child):
                raise impossible()
            return child
        if type(self.value) is frozenset:
            if not equal(key, value):
                raise BuiltinError("json.patch: a member of a set is its own key")
            if type(key) in _COLLECTIONS:
                self.collapse()
        elif type(self.value) is not dict:
            raise BuiltinError("json.patch: a path leads through what has no members")
        self._note(key, noted)
        return child

    def delete(self, key: Value) -> None:
        self.require_value()
        if type(self.value) is list:
            at = self._index(key)
            if not 0 <= at < self.array.size:
                raise BuiltinError("json.patch: index out of bounds")
            if not self.array.delete(at):
                raise impossible()
            return
        if type(self.value) is frozenset and type(key) in _COLLECTIONS:
            self.collapse()
        elif type(self.value) is not dict and type(self.value) is not frozenset:
            raise BuiltinError("json.patch: a path leads through what has no members")
        its_key = key_of(key)
        there = self.children[its_key][1] is not UNDEFINED if its_key in self.children else its_key in self.value
        if not there:
            raise BuiltinError("json.patch: nothing there to be removed")
        self._note(key, UNDEFINED)

    def _note(self, key: Value, child: Value | EditTree) -> None:
        if self.unusable:
            raise impossible()
        its_key = key_of(key)
        self.children[its_key] = (its_key, child)

    def _index(self, step: Value) -> int:
        if type(step) is str:
            if step == "-":
                return self.array.size
            found = None if step[:1] == "0" and step != "0" else int64_of_text(step)
        else:
            found = int64_of(step) if type(step) is int or type(step) is Number else None
        if found is None:
            raise BuiltinError("json.patch: no index of an array")
        return found

    def collapse(self) -> None:
        """A set has to be as it is now before it can be asked for a member that may have changed."""
        self.value = self.render()
        self.children = {}

    def render(self) -> Value:
        """The value with all its edits."""
        kind = type(self.value)
        if kind is list:
            members = self.array.rendered(self.value)
            if members is None:
                raise impossible()
            return [each.render() if type(each) is EditTree else each for each in members]
        if not self.children:
            return self.value
        edits = [(key, child) for key, child in self.children.values() if child is not UNDEFINED]
        rendered = {key: child.render() if type(child) is EditTree else child for key, child in edits}
        if kind is dict:
            return rendered | {key: member for key, member in self.value.items() if key not in self.children}
        members = [*map(key_of, rendered.values()), *(key for key in self.value if key not in self.children)]
        return frozenset(members)
