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


def _schema(text: str, body: str = "input.b", path: str = "input") -> tuple[str, ...]:
    """A rule with a schema that stands in its annotation; the rule is in line 6."""
    return (f"package p\n\n# METADATA\n# schemas:\n# - {path}: {text}\nx if {body}\n",)


_B_IS_TEXT = "{type: object, properties: {b: {type: string}}}"
_UNABLE = "unable to compile the schema: "
_TAKES = "{a: {type: [string, 'null'], minLength: 1, maxLength: 2, pattern: '(?=x)', format: x}, b: {enum: [1, '1', true], const: 5}}"
_SCHEMAS = [
    *(Case(f"a schema: {text}", _schema(text)) for text in (
        "{}", _B_IS_TEXT, f"{{properties: {_TAKES}, required: [a, b], additionalProperties: false}}", "{unknown: [1], title: x}",
        "{$schema: 'http://json-schema.org/draft-07/schema#', properties: {b: true}}", "{type: object, properties: {b: {items: [{type: number}, false]}}}",
        "{type: object, properties: {b: {anyOf: [{type: string}, {type: object}]}}, patternProperties: {'^a': {minimum: 1.5}}}",
        "{type: [object, array], dependencies: {a: [b], c: {not: {}}}, if: {}, then: true, else: {multipleOf: 0.5}}",
        "{definitions: {a: {type: string}}, minProperties: 0, uniqueItems: true, contains: {}, propertyNames: {}}",
        "{oneOf: [{type: string}, true], anyOf: [], exclusiveMinimum: 1, maximum: 2, exclusiveMaximum: true, minItems: 0}",
    )),
    *(Case(f"no schema: {text}", _schema(text), (("p.rego", 6, _TYPE, _UNABLE + found),)) for text, found in (
        ("{type: 5}", "Invalid type. Expected: type, given: string/Array Of Strings"),
        ("{type: text}", "has a primitive type that is NOT VALID -- given: /text/"),
        ("{type: [string, string]}", "string type is duplicated"), ("{type: [1]}", "Invalid type. Expected: type"),
        ("{properties: [1]}", "Properties must be of type object"), ("{properties: {a: 1}}", "Expected: Valid Schema, given: Invalid JSON"),
        ("{properties: {a: {properties: {b: {type: x}}}}}", "has a primitive type"), ("{items: 1}", "Invalid type. Expected: Valid Schema/"),
        ("{title: 1}", "Invalid type. Expected: string, given: title"), ("{required: a}", "required must be of an array"),
        ("{required: [a, a]}", "required items must be unique"), ("{enum: [1, 1.0]}", "enum items must be unique"), ("{enum: 1}", "enum must be of an array"),
        ("{minLength: -1}", "minLength must be greater than or equal to 0"), ("{minLength: 1.5}", "minLength must be of an integer"),
        ("{minLength: 3, maxLength: 2}", "minLength cannot be greater than maxLength"), ("{minimum: a}", "minimum must be of a Number"),
        ("{exclusiveMinimum: true}", "exclusiveMinimum cannot be used without minimum"), ("{multipleOf: 0}", "multipleOf must be strictly greater than 0"),
        ("{patternProperties: {'(': {}}}", "Invalid regex pattern '('"), ("{anyOf: [1]}", "Expected: Valid Schema"), ("{not: 1}", "not must be of an object"),
        ("{if: []}", "if must be of an object"), ("{dependencies: {a: [1]}}", "Dependency must be of type"), ("{uniqueItems: 1}", "uniqueItems must be of a boolean"),
        ("{additionalProperties: 1}", "Invalid type. Expected: boolean/Valid Schema"), ("{definitions: {a: 1}}", "Invalid type. Expected: Array Of Schemas"),
        ("{$schema: 1}", "$schema must be of type string"), ("{$schema: '%zz'}", "parse"), ("{$id: 1}", "Invalid type. Expected: string, given: $id"),
        ("{$schema: 'http://json-schema.org/draft-07/schema', minimum: 1, exclusiveMinimum: true}", "Invalid type. Expected: number"),
    )),
    Case("a schema that is a file is none without it", _schema("schema.x", "input.b == 1")),
    Case("what a schema does not know", _schema(_B_IS_TEXT, "input.c"), (("p.rego", 6, _TYPE, "undefined ref: input.c"),)),
    Case("what a schema knows otherwise", _schema(_B_IS_TEXT, "input.b == 1"), (("p.rego", 6, _TYPE, "match error"),)),
    Case("what a schema knows", _schema(_B_IS_TEXT, 'input.b == "1"')),
    Case("a schema of a part of the input", _schema("{type: string}", "input.b == 1", "input.b"), (("p.rego", 6, _TYPE, "match error"),)),
    Case("and of no other part", _schema("{type: string}", "input.c == 1", "input.b")),
    Case("a schema of data", _schema("{type: string}", "data.b.c == 1", "data.b.c"), (("p.rego", 6, _TYPE, "match error"),)),
    Case("and beside the rules", (*_schema("{type: string}", "data.q.x == 1", "data.b.c"), "package q\n\nx := 1\n")),
    Case("a schema of several kinds is its first", _schema("{type: [string, number]}", "input.b == 1", "input.b"), (("p.rego", 6, _TYPE, "match error"),)),
    Case("null with members is an object", _schema("{type: 'null', properties: {b: {type: string}}}", "input.b == 1"), (("p.rego", 6, _TYPE, "match error"),)),
    Case("one of two schemas", _schema("{anyOf: [{type: string}, {type: number}]}", "input.b == 1", "input.b")),
    Case("neither of two schemas", _schema("{anyOf: [{type: string}, {type: number}]}", "input.b == true", "input.b"), (("p.rego", 6, _TYPE, "match error"),)),
    Case("items of a schema", _schema("{items: {type: string}}", "input.b[_] == 1", "input.b"), (("p.rego", 6, _TYPE, "match error"),)),
    Case("a schema of the package", ("# METADATA\n# scope: package\n# schemas:\n# - input: {type: string}\npackage p\n\nx if input == 1\n", "package p.q\n\nx if input == 1\n"),
         (("p.rego", 7, _TYPE, "match error"),)),
    Case("a schema of packages below", ("# METADATA\n# scope: subpackages\n# schemas:\n# - input: {type: string}\npackage p\n", "package p.q\n\nx if input == 1\n"),
         (("q.rego", 3, _TYPE, "match error"),)),
    Case("a schema of a document", ("package p\n\n# METADATA\n# scope: document\n# schemas:\n# - input: {type: string}\nx if input == 2\n\nx if input == 1\n\ny if input == 1\n",),
         (("p.rego", 7, _TYPE, "match error"), ("p.rego", 9, _TYPE, "match error"))),
    Case("a schema of a rule is none of its others", ("package p\n\n# METADATA\n# schemas:\n# - input: {type: string}\nx if input.a == 2\n\nx if input == 1\n",),
         (("p.rego", 6, _TYPE, "undefined ref: input.a"),)),
    Case("the last schema holds", ("package p\n\n# METADATA\n# schemas:\n# - input: {type: string}\n# - input: {type: number}\nx if input == 1\n",)),
    Case("no rule, no schema", ("# METADATA\n# scope: package\n# schemas:\n# - input: {type: 5}\npackage p\n",)),
]  # fmt: skip

CASES = [
    *_SCHEMAS,
    Case("what a call's operand runs through comes too late for `every`", (_EVERY.format("input.segments[w] == 1"),),
         (("p.rego", 4, _UNSAFE, "var w is unsafe"),)),
    Case("what an equality runs through does not", (_EVERY.format("1 = input.segments[w]"),)),
    Case("what a statement runs through does not", (_EVERY.format("input.segments[w]"),)),
    Case("the head is told before the body, at the variable", ("package p\n\nx := y if {\n\tz\n}\n",),
         (("p.rego", 3, _UNSAFE, "var y is unsafe"),)),
    Case("a body is told once the head is right", ("package p\n\nx := 1 if {\n\tz\n}\n",),
         (("p.rego", 4, _UNSAFE, "var z is unsafe"),)),
    *(Case(f"a statement is taken for one at its place that says the same: {body}", (f"package p\n\nx if {{ {body} }}\n",), told) for body, told in (
        ("y := z; y = z; z = 1", (("p.rego", 3, _UNSAFE, "var y is unsafe"), ("p.rego", 3, _UNSAFE, "var z is unsafe"))),
        ("y == 1; y == 1.0; input.b[y]", (("p.rego", 3, _UNSAFE, "var y is unsafe"),)),
        ("y == 1; y == true; input.b[y]", ()), ("y == 1; input.b[y]; y == 1", ()), ("input.b[y]; y == 1; y == 1", ()),
        ("w := [1 | y == 1; y == 1; input.b[y]]", (("p.rego", 3, _UNSAFE, "var y is unsafe"),)),
        ("y == 1 with input as 1; y == 1 with input as 1; input.b[y]", (("p.rego", 3, _UNSAFE, "var y is unsafe"),)),
        ("y == 1 with input as 1; y == 1 with input as 2; input.b[y]", ()),
    )),
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
