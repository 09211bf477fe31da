"""Mistakes for which OPA refuses a policy, put into one that has none. Not mistakes of the generator's own."""

# ruff: noqa: E501, Q003, RUF001 - tables of Rego, one entry beside the other

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tests.differential.policies import Module, Sample

# A definition each, added to a module; `bad9` is a name that nothing else has.
_DEFINITIONS: Final = (
    "bad9 if x9 == 1", "bad9 if not y9", "bad9 if { some z9; z9 > 1 }", "bad9 contains w9 if true", "bad9[k9] := 1 if input.a",
    "bad9 := v9", "bad9 if { every e9 in n9 { e9 } }", "bad9 := [a | b9 == 1]", "bad9 if input[x9] with input.a as q9",
    "bad9 if bad9", "bad9 if bad8\n\nbad8 if not bad9", "bad9(x) := bad9(x - 1)", "bad9 := data[x] if input.x == x",
    "bad9 := [x | x := bad8]\n\nbad8 := {y | y := bad9}", "bad9 := data",
    "bad9 := count()", "bad9 := count(input, 1)", "bad8(x) := x\n\nbad9 := bad8(1, 2, 3)", "bad8(x) := x\n\nbad9 if bad8()",
    "bad9 := startswith(input.a)", "bad9 if { split(input.a) }", "bad9 := time.now_ns(1)",
    'bad9 := 1 + "a"', "bad9 := count(1)", 'bad9 if { x := 1; x == "a"; x = "a" }', "bad9 := concat(1, [])", "bad9 := upper(input.x) + 1",
    'bad9 if { x := {"a": 1}; x.b == 1 }', "bad9 if { [a, b] := [1] }", 'bad9 := {"a": 1}.b', 'bad9 if 1 = "a"', "bad9 := sum({\"a\"})",
    "bad9 := 1\n\nbad9 contains 2", "bad9 := 1\n\nbad9(x) := x", "default bad9 := 1\n\ndefault bad9 := 2", "bad9[1] := 2\n\nbad9 contains 3",
    "bad9(x) := 1\n\nbad9(x, y) := 2", "bad9.a := 1\n\nbad9 contains 2", "bad9.a.b := 1\n\nbad9.a := 2", "bad9 := 1\n\nbad9.x := 2",
    "default bad9 := input.x", "default bad9 contains 1", "default bad9(x, x) := 1", "default bad9(1) := 2", "default bad9 := [x | x := 1]",
    "bad9 if nothing9(1)", "bad9 := data.nowhere9.f(1)", "bad9 := strings.nothing(1)", "bad9 if unknown9", "bad9 := unknown9.x",
    "bad9 if { x := 1; x := 2 }", "bad9 if { y := x; x := 2 }", "bad9(x) if { x := 1 }", "bad9 if { some x; x := 1 }",
    "bad9 if { some x, x; input[x] }", "bad9 if { some x; true }", "bad9 if { some x in [1]; some x in [2] }",
    "bad9 if { 1 := x }", "bad9 if { input.x := 1 }", "bad9 if { [x, 1] := [1, 1] }", "bad9 if { f(x) := 1 }",
    "bad9 if {", "bad9 { true }", "bad9[x] { x := 1 }", "bad9 if true }", "bad9 := \"abc", "bad9 := `abc", "bad9 := 01", "bad9 := 1.",
    "bad9 := \"\\z\"", "else := 1", "bad9 if true else if", "bad9 := [1, 2", "bad9 := {1: }", "bad9 :=", "9bad := 1", "bad9 = := 2",
    "bad9 if not", "bad9 contains", "bad9 if some", "bad9 if every x { true }", "bad9 if x in", "not := 1", "some := 1", "if := 1",
    "bad9 := $\"{x9}\"", "bad9 := $\"{\"", "bad9 := $\"{1 + }\"", "bad9 := $\"{x := 1}\"",
    "input := 1", "data := 1", "input.a := 1", "data.a := 1", "bad9(input) := 1", "bad9 if { input := 1 }", "bad9 if { some data; data }",
    "bad9 if true with foo9 as 1", "bad9 if true with input[x9] as 1", "bad9 if true with count as 1 as 2", "bad9 if true with input as",
    "bad9 if count([1]) with count as startswith", "bad9 if true with data.nowhere9.f as count", "bad9 if true with data as 1",
    "bad9 if true with 1 as 2", "bad9 if true with eq as neq", "bad9 if count([]) with count as json.nothing", "bad9 if true with rego.metadata.rule as 1",
    "bad9 := any([true])", "bad9 if re_match(`a`, input.a)", "bad9 := all([])", "bad9 := cast_array([])", "bad9 := set_diff({1}, {2})",
    "bad9 := print(1)", "bad9 if x := print(1)", "bad9 := [print(1)]", "bad9 if not print(1)", "bad9 if { print(x9) }",
    "bad9 := {x9: 1 | true}", "bad9 := walk()", "bad9 if walk(input, [p9, q9], 1)", "bad9 := internal.print([])", "bad9 := walk(input)",
    "bad9 if { x = input.x; y = x9 }", "bad9 := x if { x := y; y = z9 }", "bad9 := f9 if { f9 := 1; g9 > f9 }", "bad9.q[x9] := 1",
    "bad9[x].y := z9 if some x in input", "bad9(x) := y9", "bad9(x) if { not z9 }", "bad9 if { not x = 1 }", "bad9 if { not input.a[x9] = 1 }",
    "bad9 := 1 if { every k, v in input { k != z9 } }", "bad9 := x if true else := y9", "bad9 := 1 if false else := x if { x > 1 }",
    "# METADATA\n# scope: nothing\nbad9 := 1", "# METADATA\n# : [\nbad9 := 1", "# METADATA\n# title: 1\nbad9 := 2", "# METADATA\n#\tx: 1\nbad9 := 1",
    "# METADATA\n# scope: rule\n\nbad9 := 1", "# METADATA\n# title: x\n\n\n", "bad9 := \"\\ud800\"", "bad9 := 1e400000", "bad9 := - 1", "bad9 := a.b.\"c\"",
    "bad9 if { x := 1 y := 2 }", "bad9 if { ; }", "bad9 if {}", "bad9 := {,}", "bad9 := [,]", "bad9 := [1,]", "bad9 := set(1)", "bad9 := {}[]", "bad9 := input.",
    "bad9.in := 1", "bad9 := input.if", "bad9 := input.not.or", "x.y.z contains 1 contains 2", "bad9 contains 1 := 2", "bad9 := 1 := 2", "bad9 := (1", "bad9 if (true",
    "bad9 if 1 == 2 == 3", "bad9 := 1 < 2 < 3", "bad9 := 1 in [1] in [true]", "bad9 := 1 | 2", "bad9 := {1} - 2", "bad9 := {1} + {2}", "bad9 := [1] - [2]",
)  # fmt: skip
_IMPORTS: Final = (
    "import data.x9 as y9\nimport data.z9 as y9", "import data.x9\nimport data.b.x9", "import nothing.x", "import input as data", "import data",
    "import rego.v3", "import rego.v1 as x", "import future.keywords.nothing", "import data.x9[y]", "import data.x9 as", "import", "import data.x9 as if",
    "import future.keywords.in as x", "import input.x9\nimport data.x9", "import data.a as input", "import \"x\"", "import data.foo.1",
)  # fmt: skip
_PACKAGES: Final = (
    "package",
    "package 1",
    "package a[x]",
    "package a.b as c",
    "package input",
    "package data",
    "package a\npackage b",
    "",
    "package a-b",
    "package if",
)


def plant(sample: Sample, chance: Random) -> Sample:
    """The sample with one mistake in one of its modules; a few are none to OPA after all."""
    modules = list(sample.modules)
    at = chance.randrange(len(modules))
    mistake, modules[at] = _mistaken(modules[at], chance)
    if chance.random() < 0.1:  # two mistakes: which are told?
        at = chance.randrange(len(modules))
        more, modules[at] = _mistaken(modules[at], chance)
        mistake = f"{mistake} … {more}"
    return sample._replace(modules=tuple(modules), inputs=sample.inputs[:2], planted=mistake)


def _mistaken(module: Module, chance: Random) -> tuple[str, Module]:
    number = chance.random()
    if number < 0.10:
        mistake = chance.choice(_IMPORTS)
        return mistake, module._replace(head=f"{module.head}\n{mistake}")
    if number < 0.12:
        mistake = chance.choice(_PACKAGES)
        return mistake, module._replace(head="\n".join((mistake, *module.head.splitlines()[1:])))
    if number < 0.22 and module.chunks:
        return _damaged(module, chance)
    mistake = chance.choice(_DEFINITIONS)
    chunks = list(module.chunks)
    chunks.insert(chance.randint(0, len(chunks)), mistake)
    return mistake, module._replace(chunks=tuple(chunks))


def _damaged(module: Module, chance: Random) -> tuple[str, Module]:
    """A character lost, doubled or changed anywhere."""
    chunks = list(module.chunks)
    at = chance.randrange(len(chunks))
    text = chunks[at]
    place = chance.randrange(len(text))
    new = chance.choice(("", text[place] * 2, chance.choice('{}[]()|:=,.;"`#$ \n\tаx1_-+')))
    chunks[at] = text[:place] + new + text[place + 1 :]
    return f"{text[max(place - 10, 0) : place + 10]!r} became {new!r}", module._replace(chunks=tuple(chunks))
