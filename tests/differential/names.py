"""What a place in a generated policy can name: locals, rules and functions before it, imports. Not text (`terms`)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from random import Random
from typing import Final, NamedTuple

LOCALS: Final = (
    "x", "y", "z", "k", "v", "i", "j", "role", "user", "name", "path", "r", "s", "t", "w", "q", "n", "m",
    "item", "each",
)  # fmt: skip
_WORD: Final = re.compile(r"[A-Za-z_]\w*")
_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"|`[^`]*`')


class Known(NamedTuple):
    """A rule, or with `args` a function, that what comes after it may use."""

    package: str  # without `data.`
    name: str  # below the package; with dots, but without variables
    kind: str
    args: tuple[str, ...] | None = None

    @property
    def path(self) -> str:
        return f"data.{self.package}.{self.name}"


class Imported(NamedTuple):
    path: str
    name: str


@dataclass(slots=True)
class Place:
    """A module, as far as it is written."""

    package: str
    known: list[Known]  # of all modules; grows
    packages: list[str] = field(default_factory=list)  # those that are finished, so that all of them can be asked
    imports: list[Imported] = field(default_factory=list)
    keywords: frozenset[str] = frozenset()  # `not`, `and`, `or` of the future
    own: list[str] = field(default_factory=list)  # first names of the package's rules

    def globals(self) -> set[str]:
        return {*self.own, *(each.name for each in self.imports)}


@dataclass(slots=True)
class Scope:
    """A body: what is declared in it and around it."""

    place: Place
    outer: Scope | None = None
    kinds: dict[str, str] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)  # names that can no longer be declared in this body

    def inner(self) -> Scope:
        return Scope(self.place, self)

    def visible(self) -> dict[str, str]:
        return {**(self.outer.visible() if self.outer else {}), **self.kinds}

    def uses(self, text: str) -> None:
        words = _WORD.findall(_STRING.sub('""', text))
        scope: Scope | None = self
        while scope is not None:
            scope.used.update(words)
            scope = scope.outer

    def new_name(self, chance: Random, *, declared: bool) -> str:
        """For a variable: one that is declared may hide what stands around the body."""
        if declared and chance.random() < 0.15:
            hidden = sorted(({*self.visible()} | self.place.globals()) - self.used - {*self.kinds})
            if hidden:
                return chance.choice(hidden)
        taken = {*self.visible()} | self.place.globals() | (self.used if chance.random() < 0.98 else set())
        free = [name for name in LOCALS if name not in taken]
        return chance.choice(free) if free else f"v{len(taken)}"


def shown(known_path: str, scope: Scope, chance: Random) -> str:
    """A reference to it from this place: by its own name, by an import, or in full."""
    place = scope.place
    hidden = scope.visible()
    own = f"data.{place.package}."
    if known_path.startswith(own) and chance.random() < 0.75:
        name = known_path[len(own) :]
        if re.split(r"[.\[]", name)[0] in place.own and re.split(r"[.\[]", name)[0] not in hidden:
            return name
    for imported in place.imports:
        rest = known_path[len(imported.path) :]
        if known_path.startswith(imported.path) and rest[:1] in ("", ".", "[") and imported.name not in hidden:
            return imported.name + rest
    return known_path
