"""Policies made by chance, over all of the language, with inputs and data for them. READ FIRST.

The same number makes the same sample. A share has one mistake planted (`mistakes`) for which OPA refuses the policy.
Not how they are judged (`comparing`).
"""

from __future__ import annotations

from random import Random
from typing import Final, NamedTuple

from tests.differential.annotation_blocks import block
from tests.differential.documents import an_input, odd_value, some_data
from tests.differential.mistakes import plant
from tests.differential.names import Imported, Known, Place
from tests.differential.rules import Rules

from authz_rego.values.value import Value

_PACKAGES: Final = ("order", "lib", "a.b", "a", "authz.rules", "users", "common", "a.b.c")
_INPUTS: Final = 24
_DATA_IMPORTS: Final = ("data.users", "data.users.alice", "data.grants", "data.limits", "data.routes")
_INPUT_IMPORTS: Final = (
    "input",
    "input.token",
    "input.request",
    "input.mtls",
    "input.token.realm_access",
    "input.headers",
)


class Module(NamedTuple):
    file: str
    head: str  # package and imports
    chunks: tuple[str, ...]  # one definition each

    @property
    def text(self) -> str:
        return "\n\n".join((self.head, *self.chunks)) + "\n"


class Sample(NamedTuple):
    """A policy, and what it is asked."""

    modules: tuple[Module, ...]
    data: dict[str, Value]
    inputs: tuple[Value, ...]
    planted: str = ""  # what is wrong with it


def generated(seed: str) -> Sample:
    """The sample of this seed."""
    chance = Random(seed)
    data = some_data(chance)
    modules = _modules(chance, data)
    sample = Sample(tuple(modules), data, tuple(an_input(chance) for _ in range(_INPUTS)))
    if chance.random() < 0.12:
        return plant(sample, chance)
    return sample


def _modules(chance: Random, data: dict[str, Value]) -> list[Module]:
    rules = Rules(chance)
    known: list[Known] = []
    modules: list[Module] = []
    finished: list[str] = []
    left = chance.choice((1, 2, 3, 4, 5, 6, 8, 8, 10, 12, 16, 24, 40))
    packages = chance.sample(_PACKAGES, chance.choice((1, 1, 2, 2, 3)))
    for package in packages:
        number = left if package == packages[-1] else chance.randint(0, left)
        left -= number
        own: list[str] = []
        for share in _shares(chance, number):
            # Packages inside others of the policy cannot be asked as a whole: that would be a recursion.
            askable = [
                each for each in finished if not any(_overlap(each, other) for other in packages if other != each)
            ]
            place = Place(package, known, askable, own=own)
            modules.append(_module(f"m{len(modules)}.rego", place, share, rules, chance))
        finished.append(package)
        if chance.random() < 0.3:
            _put_beside(data, package, chance)
    return modules


def _module(file: str, place: Place, rules_wanted: int, rules: Rules, chance: Random) -> Module:
    head = f"package {place.package}\n"
    if chance.random() < 0.06:
        scope = chance.choice(("package", "package", "subpackages"))
        head = f"{block(chance, 'the package')}# scope: {scope}\n{head}"
    lines = _imports(place, chance)
    chunks: list[str] = []
    if place.own and chance.random() < 0.5:  # the package's second file
        chunks += rules.more(place)
    for _ in range(rules_wanted):
        chunks += rules.write(place)
    if chance.random() < 0.1:
        chance.shuffle(chunks)
    return Module(file, "\n".join((head, *lines)), tuple(chunks))


def _imports(place: Place, chance: Random) -> list[str]:
    lines = []
    number = chance.random()
    if number < 0.1:
        keywords = chance.sample(("not", "and", "or"), chance.choice((1, 2, 3)))
        place.keywords = frozenset(keywords)
        lines += [f"import future.keywords.{each}" for each in keywords]
    elif number < 0.15:
        place.keywords = frozenset(("not", "and", "or"))
        lines.append("import rego.v2")
    elif number < 0.4:
        lines.append(chance.choice(("import rego.v1", "import future.keywords", "import future.keywords.if")))
    others = sorted({f"data.{each.package}" for each in place.known if each.package != place.package})
    rules = [each.path for each in place.known if each.package != place.package and "." not in each.name]
    for paths, share in ((_DATA_IMPORTS, 0.2), (_INPUT_IMPORTS, 0.25), (others, 0.5), (rules, 0.3)):
        if paths and chance.random() < share:
            path = chance.choice(paths)
            alias = chance.choice(("req",) if path == "input" else ("", "", "lib", "t", "u", "x", "role"))
            name = alias or path.rpartition(".")[2]
            if name not in {*place.own, *(each.name for each in place.imports)}:
                place.imports.append(Imported(path, name))
                lines.append(f"import {path}" + (f" as {alias}" if alias else ""))
    return lines


def _shares(chance: Random, number: int) -> list[int]:
    """How many rules each of the package's modules has."""
    if number > 3 and chance.random() < 0.3:
        first = chance.randint(1, number - 1)
        return [first, number - first]
    return [number]


def _overlap(one: str, other: str) -> bool:
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")


def _put_beside(data: dict[str, Value], package: str, chance: Random) -> None:
    """Data of a package that has rules, too."""
    place = data
    for name in package.split("."):
        below = place.get(name)
        if type(below) is not dict:
            below = {}
            if chance.random() < 0.95:
                place[name] = below
        place = below
    place[chance.choice(("base", "more", "k", "k"))] = odd_value(chance)
