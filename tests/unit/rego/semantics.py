"""What Rego means, case by case: a policy, what it is asked, and the answer of the real OPA.

`tests/unit/rego/test_semantics.py` asks our engine, `tests/real/opa/test_semantics.py` asks OPA itself.
"""

from __future__ import annotations

from typing import NamedTuple

CONFLICT = "eval_conflict_error"
NOTHING = "undefined"


class Case(NamedTuple):
    """`asked` are the input and the value of `data.p.x` for it, as JSON has it: sets are sorted lists."""

    name: str
    rules: str
    asked: tuple[tuple[object, object], ...]
    data: dict[str, object] = {}  # noqa: RUF012 - never changed


CASES = [
    # ── undefined and false ──
    Case("a missing member stops the body", "x if input.a.b == 1", (({"a": {"b": 1}}, True), ({"a": {}}, NOTHING), ({}, NOTHING))),
    Case("false stops the body, null does not", "x if input.a", (({"a": None}, True), ({"a": False}, NOTHING), ({"a": 0}, True))),
    Case("not of a missing member holds", "x if not input.a", (({}, True), ({"a": False}, True), ({"a": 1}, NOTHING))),
    Case("an argument of not is looked up outside of it", 'x if not startswith(input.a, "b")',
         (({"a": "c"}, True), ({"a": "b"}, NOTHING), ({}, NOTHING))),
    Case("a member test under not needs its collection", 'x if not "b" in input.a',
         (({"a": ["c"]}, True), ({"a": ["b"]}, NOTHING), ({}, NOTHING))),
    Case("not with future.keywords.not is of the whole", 'import future.keywords.not\nx if not "b" in input.a',
         (({"a": ["c"]}, True), ({"a": ["b"]}, NOTHING), ({}, True))),
    Case("a comparison of a missing member with false is undefined", 'x := v if v := "a" in input.r',
         (({"r": ["a"]}, True), ({"r": []}, False), ({}, NOTHING))),
    Case("a builtin that cannot answer is undefined", "x := to_number(input)", (("5", 5), ("a", NOTHING))),
    Case("not of a builtin that cannot answer holds not", "x if not to_number(input) == 5", (("6", True), ("a", NOTHING))),
    # ── rules ──
    Case("a default stands in", "default x := 7\nx := 1 if input.a", (({"a": 1}, 1), ({}, 7))),
    Case("else comes when what is before it does not hold", "x := 1 if input.a\nelse := 2 if input.b\nelse := 3",
         (({"a": 1, "b": 1}, 1), ({"b": 1}, 2), ({}, 3))),
    Case("two values are a conflict", "x := 1 if input.a\nx := 2 if input.b",
         (({"a": 1}, 1), ({"b": 1}, 2), ({"a": 1, "b": 1}, CONFLICT))),
    Case("the same value twice is none", "x := 1 if input.a\nx := input.b", (({"a": 1, "b": 1}, 1), ({"a": 1, "b": 2}, CONFLICT))),
    Case("true and one are two values", "x := true if input.a\nx := 1 if input.b", (({"a": 1}, True), ({"a": 1, "b": 1}, CONFLICT))),
    Case("one body with two values is a conflict", "x := v if some v in input", (([1, 1], 1), ([1, 2], CONFLICT), ([], NOTHING))),
    Case("an else of a rule conflicts with another rule", "x := 1 if input.a\nelse := 2 if input.b\nx := 3 if input.c",
         (({"b": 1}, 2), ({"b": 1, "c": 1}, CONFLICT), ({"c": 1}, 3), ({"a": 1}, 1), ({"a": 1, "b": 1}, 1))),
    Case("constants that agree end at the first", "x if input.a\nx if f(1) == 2\nf(y) := 1 if y\nf(y) := 2 if y",
         (({"a": 1}, True), ({}, CONFLICT))),
    Case("a set has each member once", "x contains y if some y in input", (([1, 1.0, "1", True], [True, 1, "1"]), ([], []))),
    Case("a set goes on where a head is undefined", "x contains y.why if some y in input",
         (([{"why": 1}, {}, {"why": 2}], [1, 2]), ([{}], []))),
    Case("two values at a key are a conflict", "x[k] := v if some k, v in input.o\nx[k] := v if some k, v in input.p",
         (({"o": {"a": 1}, "p": {"b": 2}}, {"a": 1, "b": 2}), ({"o": {"a": 1}, "p": {"a": 2}}, CONFLICT))),
    Case("a key that is asked for has no other's conflict",
         "o[k] := v if some k, v in input.o\no[k] := v if some k, v in input.p\nx := o.b",
         (({"o": {"a": 1, "b": 3}, "p": {"a": 2}}, 3), ({"o": {"b": 1}, "p": {"b": 2}}, CONFLICT), ({"o": {}, "p": {}}, NOTHING))),
    Case("all keys have all conflicts", "o[k] := v if some k, v in input.o\no[k] := v if some k, v in input.p\nx := count(o)",
         (({"o": {"a": 1}, "p": {"a": 1}}, 1), ({"o": {"a": 1}, "p": {"a": 2}}, CONFLICT))),
    Case("heads with variables in the middle", "x[a].b[c] := 1 if { some a, cs in input; some c in cs }",
         (({"k": ["l", "m"]}, {"k": {"b": {"l": 1, "m": 1}}}), ({}, {}))),
    Case("sets at the end of a head", "x[a] contains c if { some a, cs in input; some c in cs }",
         (({"k": ["l", "l"], "n": []}, {"k": ["l"]}), ({}, {}))),
    Case("nothing is put inside of a value", 'x[a] := {"v": 1} if some a in input\nx[a].w := 2 if some a in input',
         ((["k"], CONFLICT), ([], {}))),
    Case("a rule hides the data below it", "q := 1\nx := data.p.q", (({}, 1),)),
    # ── functions ──
    Case("arguments are patterns", "f([a, a]) := a\nf([1, b]) := b if b == 3\nx := f(input)",
         (([2, 2], 2), ([1, 3], 3), ([2, 3], NOTHING), ([1], NOTHING), ("a", NOTHING))),
    Case("a function has its default", "default f(_) := 0\nf(y) := y.a\nx := f(input)", (({"a": 2}, 2), ({}, 0), ("s", 0))),
    Case("a function that is false does not hold", "f(y) := y\nx if f(input)", ((True, True), (False, NOTHING), (None, True))),
    Case("a value of a function that is asked for skips the others", "f(y) := 1 if y.a\nf(y) := 2 if y.b\nx if f(input, 2)",
         (({"b": 1}, True), ({"a": 1, "b": 1}, True), ({"a": 1}, NOTHING))),
    Case("two values of a call are a conflict", "f(y) := 1 if y.a\nf(y) := 2 if y.b\nx := f(input)",
         (({"a": 1}, 1), ({"a": 1, "b": 1}, CONFLICT))),
    # ── unification ──
    Case("both sides give values", "x := [a, b] if [a, 2] = [input, b]", ((1, [1, 2]),)),
    Case("values go round", "x := a if { [a, b] = [b, input] }", ((3, 3),)),
    Case("patterns are as long as the value", "x := a if [a, _] = input", (([1, 2], 1), ([1], NOTHING), ([1, 2, 3], NOTHING))),
    Case("object patterns are whole", 'x := v if some {"k": "b", "v": v} in input',
         (([{"k": "b", "v": 1}], 1), ([{"k": "b", "v": 1, "w": 2}], NOTHING), ([{"k": "c", "v": 1}], NOTHING))),
    Case("a variable stands for one value", "x if { some a in input.l; some b in input.r; a == b }",
         (({"l": [1, 2], "r": [2]}, True), ({"l": [1], "r": [2]}, NOTHING))),
    Case("numbers are equal by value, and no booleans", "x if input.a == input.b",
         (({"a": 1, "b": 1.0}, True), ({"a": 1, "b": True}, NOTHING), ({"a": [1], "b": [True]}, NOTHING), ({"a": {"k": 0}, "b": {"k": False}}, NOTHING))),
    Case("a constant is no boolean either", "x if input == 1", ((1, True), (True, NOTHING), (1.0, True))),
    Case("nor zero", "x if input == 0", ((0, True), (False, NOTHING))),
    Case("nor in a constant list", "x if input == [1, null]", (([1, None], True), ([True, None], NOTHING))),
    Case("nor in a constant set", "x if input in {0, 1}", ((1, True), (True, NOTHING), ("1", NOTHING))),
    Case("neither is it unequal to itself", "x if input != 1", ((2, True), (1, NOTHING), (True, True))),
    # ── references ──
    Case("indices are integers from zero", "x := input.a[input.i]",
         (({"a": [5, 6], "i": 1}, 6), ({"a": [5, 6], "i": -1}, NOTHING), ({"a": [5, 6], "i": 2}, NOTHING),
          ({"a": [5, 6], "i": True}, NOTHING), ({"a": [5, 6], "i": "1"}, NOTHING))),
    Case("nothing is inside of a text", "x := input.a[0]", (({"a": "bc"}, NOTHING), ({"a": ["b"]}, "b"))),
    Case("a constant negative index finds nothing", "x := input[-1]", (([1, 2], NOTHING),)),
    Case("a set has its members at themselves", "s := {y | some y in input.s}\nx := s[input.k]",
         (({"s": [1, "a"], "k": "a"}, "a"), ({"s": [True], "k": 1}, NOTHING))),
    Case("an object is gone through in the order of its keys", "x := [k | some k, _ in input]", (({"b": 1, "a": 2}, ["a", "b"]),)),
    Case("a set is gone through in order", "x := [y | some y in {z | some z in input}]", ((["b", 2, "a", None], [None, 2, "a", "b"]),)),
    Case("data is addressed by text", "x := data.l[input]", (("1", "b"), (1, "b"), ("x", NOTHING)), {"l": ["a", "b"]}),
    Case("data with a variable that has a value", "x if data.users[input].admin", (("ann", True), ("bob", NOTHING), ([1], NOTHING)),
         {"users": {"ann": {"admin": True}, "bob": {}}}),
    Case("data with a variable that has none", "x := [k | data.users[k].admin]", (({}, ["ann"]),),
         {"users": {"ann": {"admin": True}, "bob": {}}}),
    Case("rules and data in one package", "x := [k | data.q[k]]", (({}, ["d"]),), {"q": {"d": 1}}),
    Case("a call can be looked into", 'x := split(input, ",")[1]', (("a,b", "b"), ("a", NOTHING))),
    Case("a composite is a key", "s contains [1, input]\nx := y if s[[1, y]]", ((2, 2),)),
    # ── some, every, comprehensions ──
    Case("some in with a key", "x contains [k, v] if some k, v in input", (({"a": 1}, [["a", 1]]), (["z"], [[0, "z"]]), ("s", []))),
    Case("some shadows a rule", 'role := "a"\nx if { some role; input.roles[role] == "a" }',
         (({"roles": ["b", "a"]}, True), ({"roles": ["b"]}, NOTHING))),
    Case("every needs all", "x if every y in input { y > 1 }", (([2, 3], True), ([1, 2], NOTHING), ([], True), (5, NOTHING))),
    Case("= in every binds in its own body only", 'x if every r in ["a", "b"] { input[_] = r }', ((["a", "b"], True), (["a"], NOTHING), ([], NOTHING))),
    Case("every with keys", "x if every k, v in input { k == v }", (({"a": "a"}, True), ({"a": "b"}, NOTHING), ([0, 1], True))),
    Case("a comprehension keeps its variables", "x := [y | some y in input; not y in [z | some z in input; z > 2]]", (([1, 2, 3], [1, 2]),)),
    Case("a comprehension of what is undefined is empty", "x := {y | y := input.a.b}", (({}, []), ({"a": {"b": 1}}, [1]))),
    Case("an object comprehension with two values at a key", "x := {k: v | some k in input.k; some v in input.v}",
         (({"k": ["a"], "v": [1, 1]}, {"a": 1}), ({"k": ["a"], "v": [1, 2]}, CONFLICT), ({"k": [], "v": [1, 2]}, {}))),
    Case("names of a comprehension are its own", "x := [y, z] if { y := 1; z := [y | y := input] }", ((5, [1, [5]]),)),
    # ── with ──
    Case("with replaces the input for one statement", "r := input\nx := [a, b] if { a := r with input as 2; b := r }", ((1, [2, 1]),)),
    Case("with replaces a part of it", "r := input\nx := v if v := r with input.a.b as 2", (({"a": {"c": 1}}, {"a": {"b": 2, "c": 1}}), (1, {"a": {"b": 2}}))),
    Case("with replaces what was looked up before", "x := [a, b] if { a := input.a; b := input.a with input.a as 2 }",
         (({"a": 1}, [1, 2]),)),
    Case("with replaces data and rules", "q := 1\nr := [data.p.q, data.d]\nx := v if v := r with data.p.q as 5 with data.d as 6", (({}, [5, 6]),), {"d": 0}),
    Case("with goes into rules that are called, and out again", "q if input.a == 1\nx := [c, d] if { c := q with input.a as 1; d := [1 | q] }",
         (({"a": 2}, [True, []]), ({"a": 1}, [True, [1]]))),
    Case("with replaces a builtin", "r := count([1])\nx := [a, r] if a := r with count as 7", (({}, [7, 1]),)),
    Case("with replaces a function by a function", "f(y) := y\ng(y) := y * 2\nr := f(3)\nx := [a, r] if a := r with f as g", (({}, [6, 3]),)),
    Case("a stand-in is evaluated without stand-ins", "f(y) := y + 1\ng(y) := f(y) + 10\nx := v if v := f(1) with f as g", (({}, 12),)),
    Case("not of a with", "r if input.a\nx if not r with input as {}", (({"a": 1}, True),)),
    Case("a value of with that is undefined", "x if true with input as input.a", (({"a": 1}, True), ({}, NOTHING))),
    # ── operators ──
    Case("decimals add up", "x := 0.1 + 0.2 == 0.3", (({}, True),)),
    Case("arithmetic", "x := [input + 1, input - 1, input * 2, input / 4, 7 % 3]", ((6, [7, 5, 12, 1.5, 1]), (True, NOTHING))),
    Case("values have one order", 'x := [null < false, true < 0, 9 < "a", "z" < [], [] < {}, {"a": 1} < {1}]', (({}, [True] * 6),)),
    Case("sets by operators", "x := [{1, 2} | {3}, {1, 2} & {2}, {1, 2} - {2}]", (({}, [[1, 2, 3], [2], [1]]),)),
    Case("and, or", "import rego.v2\nx if input.a and not input.b or input.c",
         (({"a": 1}, True), ({"a": 1, "b": 1}, NOTHING), ({"a": 1, "b": 1, "c": 1}, True), ({}, NOTHING))),
    Case("a template string", 'x := $"a {input.b} c"', (({"b": 1}, "a 1 c"), ({}, "a <undefined> c"))),
    Case("walk goes through everything", "x contains p if { walk(input, [p, v]); v == 1 }", (({"a": [1], "b": 1}, [["a", 0], ["b"]]),)),
    # ── many ──
    Case("many rules are found by their constants",
         "\n".join(f'x := {i} if {{ input.k == "k{i}"; input.v == {i % 3} }}' for i in range(12)) + "\nx := 99 if input.k == true",
         (({"k": "k7", "v": 1}, 7), ({"k": "k7", "v": 2}, NOTHING), ({"k": "k12", "v": 0}, NOTHING), ({"k": True, "v": 0}, 99), ({"k": ["k7"]}, NOTHING))),
    Case("rules without the constant are tried, too",
         "\n".join(f'x if input.k == "k{i}"' for i in range(8)) + "\nx if input.all",
         (({"k": "k3"}, True), ({"k": "zz", "all": 1}, True), ({"all": 1}, True), ({"k": "zz"}, NOTHING))),
    Case("rules without the constant are tried beside it",
         "\n".join(f'x := {i} if {{ input.k == "k{i}"; input.v }}' for i in range(8)) + "\nx := 50 if input.all",
         (({"k": "k3", "all": 1}, 50), ({"k": "k3", "v": 1}, 3), ({"k": "k3", "v": 1, "all": 1}, CONFLICT))),
    Case("many arguments are found by their constants", "\n".join(f'f("k{i}") := {i}' for i in range(9)) + "\nx := f(input)",
         (("k4", 4), ("k9", NOTHING), (4, NOTHING), ([1], NOTHING))),
    Case("many loops inside of each other",
         "x if { " + "; ".join(f"some v{i} in input" for i in range(16)) + "; " + "; ".join(f"v{i} == {i % 2}" for i in range(16)) + " }",
         (([0, 1], True), ([0], NOTHING))),
]  # fmt: skip
