"""What does not compile, and which problem is told first, as the real OPA tells it.

`tests/rego/test_problem_cases.py` asks our compiler, `tests/real/opa/test_problem_cases.py` asks OPA itself.
"""

from __future__ import annotations

from typing import NamedTuple

_UNSAFE, _TYPE, _RECURSION, _COMPILE = (
    "rego_unsafe_var_error",
    "rego_type_error",
    "rego_recursion_error",
    "rego_compile_error",
)


class Case(NamedTuple):
    """Files `p.rego`, `q.rego` …; problems are the file, the row, the code, and how the message begins."""

    name: str
    files: tuple[str, ...]
    problems: tuple[tuple[str, int, str, str], ...] = ()
    data: dict[str, object] = {}  # noqa: RUF012 - never changed


_EVERY = "package p\n\nx if {{\n\tevery m in input.role {{ m == 1; w }}\n\t{}\n}}\n"

CASES = [
    Case("what a call's operand runs through comes too late for `every`", (_EVERY.format("input.segments[w] == 1"),),
         (("p.rego", 4, _UNSAFE, "var w is unsafe"),)),
    Case("what an equality runs through does not", (_EVERY.format("1 = input.segments[w]"),)),
    Case("what a statement runs through does not", (_EVERY.format("input.segments[w]"),)),
    Case("the head is told before the body, at the variable", ("package p\n\nx := y if {\n\tz\n}\n",),
         (("p.rego", 3, _UNSAFE, "var y is unsafe"),)),
    Case("a body is told once the head is right", ("package p\n\nx := 1 if {\n\tz\n}\n",),
         (("p.rego", 4, _UNSAFE, "var z is unsafe"),)),
    Case("a rule where data stands is told before types", ("package users\n\nx if [] := 1\n",),
         (("p.rego", 3, _COMPILE, "conflicting rule for data path users/x found"),), {"users": 1}),
    Case("what is below such a rule is not told", ('package users\n\nroles if input.a\n\nroles["d"] := 3\n',),
         (("p.rego", 3, _COMPILE, "conflicting rule for data path users/roles found"),
          ("p.rego", 3, _TYPE, "rule data.users.roles conflicts with")), {"users": ""}),
    Case("types are told where no data stands", ("package users\n\nx if [] := 1\n",),
         (("p.rego", 3, _TYPE, "match error"),), {"other": 1}),
    Case("a number is no path of data", ("package p\n\nq[0] := 1\n",), (), {"p": {"q": [5]}}),
    Case("recursion is told before deprecated builtins", ("package p\n\nx if re_match(1, 1)\n\ny contains y\n",),
         (("p.rego", 5, _RECURSION, "rule data.p.y is recursive"),)),
    Case("deprecated builtins are told with the types", ('package p\n\nx if re_match("a", "a")\n\ny := 1 + "a"\n',),
         (("p.rego", 3, _TYPE, "deprecated built-in function calls in expression: re_match"),
          ("p.rego", 5, _TYPE, "plus: invalid argument(s)"))),
    Case("a package has one annotation", ("# METADATA\n# scope: package\npackage p\n", "# METADATA\n# scope: package\npackage p\n"),
         (("q.rego", 1, _TYPE, "package annotation redeclared: p.rego:1"),)),
    Case("two packages have one each", ("# METADATA\n# scope: package\npackage p\n", "# METADATA\n# scope: package\npackage q\n")),
    Case("a document has one annotation",
         ("package p\n\n# METADATA\n# scope: document\nx[k].a := 1 if k := 1\n\n# METADATA\n# scope: document\nx[k].b := 1 if k := 1\n",),
         (("p.rego", 7, _TYPE, "document annotation redeclared: p.rego:3"),)),
    Case("each rule of it can have its own",
         ("package p\n\n# METADATA\n# title: a\nx[k].a := 1 if k := 1\n\n# METADATA\n# title: b\nx[k].b := 1 if k := 1\n",)),
    Case("a function can stand where data stands", ("package p\n\nf(_) := 1\n\nx contains {m} if m := [] with data.q as f\n",)),
    Case("but not where the input stands", ("package p\n\nf(_) := 1\n\nx contains {m} if m := [] with input as f\n",),
         (("p.rego", 5, _TYPE, "function data.p.f used as reference, not called"),)),
    Case("a variable that is an array names no rule", ("package p\n\nx := a[b] if b := []\n\na.c := 1\n",)),
    Case("nor does it come back to its own", ("package p\n\nx if { b := [1]; data.p[b] }\n",)),
    Case("one that can be a name may come back", ('package p\n\nx if { b := [1]; data.p[b]; c = ["x", 1]; data.p[c[_]] }\n',),
         (("p.rego", 3, _RECURSION, "rule data.p.x may be recursive"),)),
    Case("one that is no rule's name does not", ('package p\n\nx if { c := ["y", 1]; data.p[c[_]] }\n',)),
    Case("one that is its name does", ('package p\n\nx if { c := {"k": "x"}; data.p[c.k] }\n',),
         (("p.rego", 3, _RECURSION, "rule data.p.x is recursive"),)),
]  # fmt: skip


def files_of(case: Case) -> list[tuple[str, str]]:
    """As compilers get them."""
    return [(f"{name}.rego", text) for name, text in zip("pqr", case.files, strict=False)]
