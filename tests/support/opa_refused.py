"""Policies that OPA refuses to compile, each beside its twin, which it accepts. `make test-opa` asks OPA about both.

Each is of the package p, and asked for data.p.allow; a text that begins with `package` is left as it is. A blank line
between two packages parts two files.
"""

from __future__ import annotations

from typing import NamedTuple

from authz_service.domain.rules import PolicySource


class Pair(NamedTuple):
    """Two policies that differ in one thing."""

    name: str
    bad: str
    good: str


def source(text: str) -> PolicySource:
    """As our gate gets it, and with the files that OPA gets."""
    whole = text if text.startswith("package") else f"package p\n\n{text}"
    files = whole.replace("\n\npackage ", "\x00package ").split("\x00")
    return PolicySource("data.p.allow", tuple((f"f{number}.rego", each + "\n") for number, each in enumerate(files)))


PAIRS = (
    # Syntax, and what Rego v1 asks for.
    Pair("no if", "allow { input.route }", "allow if { input.route }"),
    Pair("no if before a value", "allow = true { input.route }", "allow := true if { input.route }"),
    Pair("no contains", "allow if d\nd[x] { x := 1 }", "allow if d\nd contains x if { x := 1 }"),
    Pair("a set by brackets", 'allow if d\nd["x"]', 'allow if d\nd contains "x"'),
    Pair("an open brace", "allow if {", "allow if { true }"),
    Pair("an open bracket", "allow if [1, 2", "allow if [1, 2]"),
    Pair("an open string", 'allow if input.route == "a', 'allow if input.route == "a"'),
    Pair("no package", "package\nallow if true", "package p\nallow if true"),
    Pair("two packages", "package p\npackage q\nallow if true", "package p\nallow if true"),
    Pair("a keyword as a rule", "allow if true\nnot := 1", "allow if true\nnot_ := 1"),
    Pair("a keyword as a variable", "allow if { some := 1; some }", "allow if { some_ := 1; some_ }"),
    Pair("a word too many", "allow if true true", "allow if { true; true }"),
    Pair("an operator at the end", "allow if input.route ==", 'allow if input.route == "a"'),
    Pair("a wrong escape", 'allow if input.route == "\\q"', 'allow if input.route == "\\\\q"'),
    Pair("a number with two points", "allow if 1.2.3 > 1", "allow if 1.23 > 1"),
    Pair("an else without if", "allow if input.route else { true }", "allow if input.route else if { true }"),
    Pair(
        "an else of a set",
        "allow if s\ns contains 1 if input.route\nelse := 2",
        "allow if s\ns contains 1 if input.route",
    ),
    Pair("a default with a body", "default allow := false if true", "default allow := false"),
    Pair("a default of a call", "default allow := startswith(1)", "default allow := false"),
    Pair("a default of a reference", "default allow := input.route", "default allow := false"),
    Pair("a default of another rule", "default allow := x\nx := 1", "default allow := false\nx := 1"),
    Pair(
        "import of neither data nor input",
        "import users\nallow if users",
        "import input.token as users\nallow if users",
    ),
    Pair(
        "an unknown future keyword",
        "import future.keywords.maybe\nallow if true",
        "import future.keywords.in\nallow if true",
    ),
    Pair(
        "with on a local variable",
        "allow if { x := 1; x == 2 with x as 2 }",
        "allow if { x := input.route; x == 2 with input.route as 2 }",
    ),
    Pair("input assigned", "allow if { input := 1; input }", "allow if { inputs := 1; inputs }"),
    Pair("data assigned", "allow if { data := 1; data }", "allow if { dates := 1; dates }"),
    Pair("a rule called input", "allow if true\ninput := 1", "allow if true\ninputs := 1"),
    Pair("a rule called data", "allow if true\ndata := 1", "allow if true\ndates := 1"),
    Pair("an argument called input", "allow if f(1)\nf(input) := input", "allow if f(1)\nf(inputs) := inputs"),
    Pair("some over a constant", "allow if { some 1 in [1] ; some 2 }", "allow if { some 1 in [1] }"),
    # Variables.
    Pair("unsafe in a body", "allow if x == input.route", "allow if x = input.route"),
    Pair("unsafe in a value", "allow := x if input.mtls.verified", "allow := x if x := input.mtls.verified"),
    Pair("unsafe under not", "allow if not x == 1", "allow if { x := 1; not x == 1 }"),
    Pair(
        "unsafe in a call", "allow if startswith(x, input.route)", 'allow if { x := "a"; startswith(x, input.route) }'
    ),
    Pair("unsafe in arithmetic", "allow if 1 + x == 2", "allow if { x := 1; 1 + x == 2 }"),
    Pair("unsafe in a comprehension's head", "allow if [x | input.route]", "allow if [x | x := input.route]"),
    Pair("unsafe in a comprehension's body", "allow if [1 | x > 1]", "allow if [1 | x := 2; x > 1]"),
    Pair(
        "unsafe in a set's member",
        "allow if s\ns contains x if input.route",
        "allow if s\ns contains x if x := input.route",
    ),
    Pair(
        "unsafe in an object's key", "allow if o\no[x] := 1 if input.route", "allow if o\no[x] := 1 if x := input.route"
    ),
    Pair("unsafe in a function's value", "allow if f(1)\nf(x) := y", "allow if f(1)\nf(x) := x"),
    Pair("unsafe in else", "allow if input.route else := x", "allow if input.route else := x if x := false"),
    Pair(
        "unsafe in every",
        "allow if every r in input.token.roles { r == x }",
        "allow if { x := 1; every r in input.token.roles { r == x } }",
    ),
    Pair(
        "unsafe in with", "allow if q with input as x\nq := true", "allow if { x := {}; q with input as x }\nq := true"
    ),
    Pair(
        "unsafe from another rule", "allow if { q; x == 1 }\nq if x := 1", "allow if { q; x == 1 }\nq := true\nx := 1"
    ),
    Pair("declared and never given a value", "allow if { some x; x == 1 }", "allow if { some x; x = 1 }"),
    Pair("declared and not used", "allow if { some x; input.route }", "allow if { some x; input.route = x }"),
    Pair("a wildcard under not", "allow if not input.token.roles[_] == 1", "allow if input.token.roles[_] == 1"),
    Pair("assigned twice", "allow if { x := 1; x := 2; x == 2 }", "allow if { x := 1; y := 2; x == y }"),
    Pair("used, then assigned", "allow if { x == 1; x := 1 }", "allow if { x := 1; x == 1 }"),
    Pair("declared twice", "allow if { some x; some x; x = 1 }", "allow if { some x; x = 1 }"),
    Pair("an argument assigned", "allow if f(1)\nf(x) if { x := 1; x }", "allow if f(1)\nf(x) if { y := 1; x == y }"),
    Pair("an expression assigned to", "allow if { 1 + 1 := 2 }", "allow if { 1 + 1 == 2 }"),
    Pair("a reference assigned to", "allow if { input.route := 2 }", "allow if { input.route == 2 }"),
    Pair("a circle of variables", "allow if { x = y; y = x }", "allow if { x = y; y = 1 }"),
    # Rules against each other.
    Pair("two defaults", "default allow := false\ndefault allow := true", "default allow := false\nallow := true"),
    Pair("a rule and a set", "allow := true\nallow contains 1", "allow := true\nothers contains 1"),
    Pair("a rule and a function", "allow := true\nallow(x) := x", "allow := true\nallows(x) := x"),
    Pair("a set and an object", "allow if s\ns contains 1\ns := {}", "allow if s\ns contains 1"),
    Pair(
        "functions of two arities", "allow if f(1)\nf(x) := x\nf(x, y) := y", "allow if f(1)\nf(x) := x\ng(x, y) := y"
    ),
    Pair("a rule of itself", "allow if allow", "allow if allows\nallows := true"),
    Pair("two rules of each other", "allow if q\nq if allow", "allow if q\nq := true"),
    Pair("a function of itself", "allow if f(1)\nf(x) := f(x)", "allow if f(1)\nf(x) := x"),
    Pair(
        "functions of each other", "allow if f(1)\nf(x) := g(x)\ng(x) := f(x)", "allow if f(1)\nf(x) := g(x)\ng(x) := x"
    ),
    Pair("a rule of itself under not", "allow if not allow", "allow if not allows\nallows := true"),
    Pair("a set of itself", "allow if s\ns contains x if x := s[_]", "allow if s\ns contains x if x := [1][_]"),
    Pair("a package of itself", "allow if data.p[x]", "allow if data.q[x]\n\npackage q\nx := 1"),
    Pair("a rule below a rule", "allow := true\nallow.x := 1", "allow := true\nallows.x := 1"),
    Pair(
        "a package below a rule",
        "allow := true\n\npackage p.allow\nx := 1",
        "allow := true\n\npackage p.allows\nx := 1",
    ),
    Pair(
        "two imports of one name",
        "import data.q.x\nimport data.r.x\nallow if x\n\npackage q\nx := 1\n\npackage r\nx := 1",
        "import data.q.x\nimport data.r.x as y\nallow if x == y\n\npackage q\nx := 1\n\npackage r\nx := 1",
    ),
    # Functions and builtins.
    Pair("an unknown function", "allow if f(1)", "allow if f(1)\nf(x) := x"),
    Pair("a misspelt builtin", 'allow if startwith("a", "a")', 'allow if startswith("a", "a")'),
    Pair("an unknown function of data", "allow if data.q.f(1)", "allow if data.q.f(1)\n\npackage q\nf(x) := x"),
    Pair("too few arguments", 'allow if startswith("a")', 'allow if startswith("a", "a")'),
    Pair("too many arguments", 'allow if startswith("a", "b", "c", "d")', 'allow if startswith("a", "b")'),
    Pair("too few for a function", "allow if f(1)\nf(x, y) := x", "allow if f(1, 2)\nf(x, y) := x"),
    Pair("too many for a function", "allow if f(1, 2, 3)\nf(x) := x", "allow if f(1)\nf(x) := x"),
    Pair("a builtin that is gone", "allow if any([true])", "allow if true in [true]"),
    Pair(
        "another that is gone",
        're := 1\nallow if re_match("a", input.route)',
        're := 1\nallow if regex.match("a", input.route)',
    ),
    Pair("cast that is gone", "allow if cast_array([1])", "allow if is_array([1])"),
    # Types.
    Pair("a number as text", "allow if startswith(1, input.route)", 'allow if startswith("1", input.route)'),
    Pair("text as a number", 'allow if "a" + 1 == 2', "allow if 1 + 1 == 2"),
    Pair("a list as text", "allow if lower([1]) == input.route", 'allow if lower("A") == input.route'),
    Pair("a number counted", "allow if count(1) == 1", "allow if count([1]) == 1"),
    Pair("a truth value counted", "allow if count(true) == 1", 'allow if count("true") == 1'),
    Pair(
        "text for a list",
        'allow if array.concat("a", [1]) == input.route',
        'allow if array.concat(["a"], [1]) == input.route',
    ),
    Pair(
        "a list for an object",
        "allow if object.get([1], 0, input.route)",
        "allow if object.get({0: 1}, 0, input.route)",
    ),
    Pair("a number split", 'allow if split(1, ",")[0] == input.route', 'allow if split("1", ",")[0] == input.route'),
    Pair("text rounded", 'allow if round("1.5") == 2', "allow if round(1.5) == 2"),
    Pair(
        "a truth value as a pattern",
        "allow if regex.match(true, input.route)",
        'allow if regex.match("true", input.route)',
    ),
    Pair("a field of a number", "allow if x.y\nx := 1", 'allow if x.y\nx := {"y": 1}'),
    Pair("a field of text", 'allow if x.y == 1\nx := "a"', 'allow if x.y == 1\nx := {"y": 1}'),
    Pair("a field that is not there", 'allow if x.z\nx := {"y": 1}', 'allow if x.y\nx := {"y": 1}'),
    Pair("a field of a list", "allow if x.y\nx := [1]", "allow if x[0]\nx := [1]"),
    Pair("a local's field that is not there", 'allow if { x := {"y": 1}; x.z }', 'allow if { x := {"y": 1}; x.y }'),
    Pair("two types unified", 'allow if { x := 1; x = "a" }', "allow if { x := 1; x = 1 }"),
    Pair("two lengths unified", "allow if { [x, y] = [1] }", "allow if { [x, y] = [1, 2] }"),
    Pair(
        "a function's result as another type",
        'allow if f(1) + 1 == 2\nf(x) := "a"',
        "allow if f(1) + 1 == 2\nf(x) := 1",
    ),
    Pair(
        "a rule's value as another type",
        "allow if startswith(x, input.route)\nx := 1",
        'allow if startswith(x, input.route)\nx := "1"',
    ),
    Pair(
        "a local as another type",
        "allow if { x := 1; startswith(x, input.route) }",
        'allow if { x := "1"; startswith(x, input.route) }',
    ),
    Pair("a comprehension as text", "allow if lower([x | x := 1]) == input.route", "allow if count([x | x := 1]) == 1"),
    Pair(
        "a format without its list",
        'allow if sprintf("%s", "a") == input.route',
        'allow if sprintf("%s", ["a"]) == input.route',
    ),
    Pair(
        "the result of a comparison as text",
        "allow if lower(1 == 1) == input.route",
        'allow if lower("1") == input.route',
    ),
)
