"""Unsafe variables by OPA's rules: the reordering, the scopes, and what gives a variable its value."""

import pytest

from authz_service.policy.engine import syntax_tree
from authz_service.policy.safety import unsafe_variables
from authz_service.policy.syntax_reader import read_modules

ARITIES = {"walk": 1, "json.unmarshal": 1, "startswith": 2, "count": 1, "time.now_ns": 0}


def unsafe(text: str) -> list[str]:
    (module,) = read_modules(syntax_tree([("p.rego", f"package p\n{text}")]))
    arities = {rule.path: len(rule.arguments) for rule in module.rules if rule.arguments}
    return [
        each.variable.partition("#")[0]
        for rule in module.rules
        for each in unsafe_variables(rule, lambda term: arities.get(term.path) or ARITIES.get(str(term.value)))
    ]


@pytest.mark.parametrize(
    "text",
    [
        "a if { x; x = 2 }",
        "a if { x > 1; x := count(y); y := input.z }",
        "a if { y = x; x = 1 }",
        "a if { [x, y] = [y, 1] }",
        "a if { [x, [y]] = [1, [x]] }",
        'a if { {"k": x} = input.b; x }',
        'a if { input.b = {"k": x, "l": [y]}; x == y }',
        "a if { not input.x[i]; input.y[i] }",
        "a if { input.x[i] == input.y[i] }",
        "a if { input.x[i][j]; i == j }",
        "a if { data.s[[x, y]]; x == y }",
        "a := input.x[_]",
        "a := [v | v := input.x[_]]",
        "a := [input.x[i] | i := 1]",
        "a if { count([1 | input.x[i]; i == j]) > 0; j := 1 }",
        "a if { x := 1; y := [x | x := 2]; y == [2] }",
        "a if { x := input.y; x.z[q] == 1; q > 1 }",
        "a if { walk(input, [p, v]); v == p }",
        "a if { json.unmarshal(input.text, out); out.x }",
        "a if { time.now_ns(t); t > 1 }",
        "a if { f(1, y); y == 2 }\nf(x) := x",
        "a if { some i, x in input.l; x == i }",
        "a if { some [x, y] in input.l; x == y }",
        "a if { some x in y; y := [1] }",
        "a if { every k, v in input.l[_] { v == k } }",
        "a if { every x in [1] { some y in [x]; y == x } }",
        "a if { not f(x); x = input.p }\nf(q) if q == 1",
        "a if { x := input.p with input.p as y; y := 1 }",
        'f(x, [y, {"k": z}]) := [x, y, z]',
        "f(_, [_, x]) := x",
        "a contains b if { some b in c; c := [1] }",
        "a[b][c] := d if { d := 1; b := 2; c := 3 }",
        "a := x if { x := 1 } else := y if { y := 2 }",
        "token := 1\nf(token) := token.x",
        "roles := [r | some roles in input.x; r := roles]",
        "x := 1\na if { y := 1; some x in [y]; x == y }",
    ],
)
def test_what_opa_accepts_is_safe(text: str) -> None:
    """Each of these has a value for every variable, in some order of its statements."""
    assert unsafe(text) == []


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ("a if foo", ["foo"]),
        ("a if { x + 1 == 2 }", ["x"]),
        ("a if { x = y }", ["x"]),
        ("a if { [x, y] = [1, z] }", ["y"]),
        ("a if { x == 1 }", ["x"]),
        ("a if { x in input.l }", ["x"]),
        ("a if { some x in y }", ["y"]),
        ("a if { some x; not x == 1 }", ["x"]),
        ("a if { not input.x[i] }", ["i"]),
        ("a if { not input.x[_] }", ["_"]),
        ("a if { input.x[_] == _ }", ["_"]),
        ("a if { x := [y | y := x] }", ["x"]),
        ("a if { foo[x]; x == 1 }", ["foo"]),
        ("a := {x | input.y[z]}", ["x"]),
        ("a := [x | x := 1; y == x]", ["y"]),
        ("a := {k: v | some k in input.x}", ["v"]),
        ("a if { x := 1; y := [x | some x; x == 2]; y }", ["x"]),
        ("a if { some x in [1]; every y in [x] { some x; x == y } }", ["x"]),
        ("a if { every x in input.l { y == x } }", ["y"]),
        ("a if { every x in y { x } }", ["y"]),
        ("a if { startswith(input.x, y) }", ["y"]),
        ("a if { f(_) }\nf(x) := 1", ["_"]),
        ("a if { json.unmarshal(text, out); out.x }", ["text"]),
        ("a := x if { x := 1 } else := x", ["x"]),
        ("a := 1 if { y := 1 } else := 2 if { y == 2 }", ["y"]),
        ("f(x) := y", ["y"]),
        ("a contains x if input.y", ["x"]),
        ("a[x] := 1 if input.y", ["x"]),
        ("a[b][c] := d if { d := 1; b := 2 }", ["c"]),
        ("a if { b with input as x }\nb := 1", ["x"]),
        ("x := 1\na if { y := x; some x in z; y }", ["z"]),
        ('a := {"k": [v]}', ["v"]),
    ],
)
def test_what_has_no_value_is_named_once_and_not_what_hangs_on_it(text: str, variables: list[str]) -> None:
    """The cause, without its consequences."""
    assert unsafe(text) == variables
