"""Names of local variables: those that stand for what was written, and which are declared where. Rewrites nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from authz_rego.syntax.tree import Term

SEEN, ASSIGNED, DECLARED, ARGUMENT = "seen", "assigned", "declared", "argument"


class LocalNames:
    """Makes `__local0__`, `__local1__` …, and remembers what each stands for."""

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = set(taken)
        self._next = 0
        self._made: set[str] = set()
        self.written: dict[str, str] = {}  # the name that the user wrote, by the local's
        self.subjects: dict[str, Term] = {}  # the term that the local stands for, by the local's name

    def new(self) -> str:
        while True:
            name = f"__local{self._next}__"
            self._next += 1
            if name not in self._taken:
                self._made.add(name)
                return name

    def is_made(self, name: str) -> bool:
        """Whether it is a local's name: nothing that a user would know."""
        return name in self._made

    def shown(self, name: str) -> str:
        """As the user wrote it."""
        found = self.written.get(name, name)
        return "_" if found.startswith("$") else found


@dataclass(slots=True)
class _Scope:
    names: dict[str, str] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)


class Scopes:
    """Which names are declared where we stand, the innermost last."""

    def __init__(self, names: LocalNames) -> None:
        self.local_names = names
        self.scopes = [_Scope()]

    def copy(self) -> Scopes:
        new = Scopes(self.local_names)
        new.scopes = [_Scope(dict(self.scopes[0].names), dict(self.scopes[0].kinds))]
        return new

    @contextmanager
    def inner(self) -> Iterator[None]:
        """A scope of its own for what is written inside."""
        self.scopes.append(_Scope())
        yield
        self.scopes.pop()

    def find(self, name: str) -> str | None:
        return next((scope.names[name] for scope in reversed(self.scopes) if name in scope.names), None)

    def kind_here(self, name: str) -> str | None:
        return self.scopes[-1].kinds.get(name)

    def kind(self, name: str) -> str | None:
        return next((scope.kinds[name] for scope in reversed(self.scopes) if name in scope.kinds), None)

    def insert(self, name: str, local: str, kind: str) -> None:
        self.scopes[-1].names[name] = local
        self.scopes[-1].kinds[name] = kind
        if name != local:
            self.local_names.written[local] = name
