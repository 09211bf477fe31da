"""The edits of one array: what was inserted where, and which of its members are gone. Not other values (`edit_tree`).

Scalars and trees are moved one after the other when positions shift, and where they stand side by side one is lost: so
it is in OPA, which stops when it comes to such a position.
"""

from __future__ import annotations

from typing import Any

from authz_rego.values.value import UNDEFINED, Value


class ArrayEdits:
    """Positions count in the array as it is now."""

    __slots__ = ("_gone", "_inserted", "_scalars", "_trees")

    def __init__(self, size: int) -> None:
        self._inserted = [False] * size
        self._gone = [False] * size  # of the members that the array had at first
        self._scalars: dict[int, Value] = {}
        self._trees: dict[int, Any] = {}

    @property
    def size(self) -> int:
        return len(self._inserted)

    def found(self, at: int) -> Value:
        """What was inserted there, or UNDEFINED."""
        return self._scalars.get(at, self._trees.get(at, UNDEFINED))

    def insert(self, at: int, child: Value, *, is_tree: bool) -> bool:
        """Whether that was possible."""
        moved = self._inserted_from(at)
        if moved is None:
            return False
        self._move(moved, 1)
        self._inserted.insert(at, True)
        (self._trees if is_tree else self._scalars)[at] = child
        return True

    def delete(self, at: int) -> bool:
        """Whether that was possible."""
        moved = self._inserted_from(at + 1)
        if moved is None:
            return False
        self._drop(at)
        self._move(moved, -1)
        if not self._inserted[at]:
            own = [index for index, is_gone in enumerate(self._gone) if not is_gone]
            position = self._inserted[:at].count(False)
            if position >= len(own):
                return False
            self._gone[own[position]] = True
        del self._inserted[at]
        return True

    def rendered(self, array: list[Value]) -> list[Value] | None:
        """The members in their order, or None where one is lost."""
        own = iter([member for member, is_gone in zip(array, self._gone, strict=True) if not is_gone])
        found = [
            self.found(at) if is_inserted else next(own, UNDEFINED) for at, is_inserted in enumerate(self._inserted)
        ]
        return None if any(each is UNDEFINED for each in found) else found

    def _inserted_from(self, start: int) -> tuple[list[int], list[int]] | None:
        """The positions of scalars and of trees, or None where one is lost."""
        positions = [at for at in range(start, len(self._inserted)) if self._inserted[at]]
        scalars = [at for at in positions if at in self._scalars]
        trees = [at for at in positions if at not in self._scalars]
        return (scalars, trees) if all(at in self._trees for at in trees) else None

    def _move(self, positions: tuple[list[int], list[int]], by: int) -> None:
        for of_kind, where in zip((self._scalars, self._trees), positions, strict=True):
            for at in reversed(where) if by > 0 else where:
                child = of_kind[at]
                self._drop(at)
                of_kind[at + by] = child

    def _drop(self, at: int) -> None:
        self._scalars.pop(at, None)
        self._trees.pop(at, None)
