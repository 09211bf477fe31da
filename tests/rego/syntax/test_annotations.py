"""Metadata blocks: which comments are one, what they belong to, and what they say."""

from __future__ import annotations

import pytest

from authz_rego.errors import RegoProblems
from authz_rego.syntax.modules import parse_module
from authz_rego.values.number import Number


def annotations_of(text):
    return parse_module("x.rego", text).annotations


def block(*lines, rule="p := 1"):
    return "package a\n# METADATA\n" + "".join(f"# {line}\n" for line in lines) + rule


def members(*lines):
    (found,) = annotations_of(block(*lines))
    return found.members


def problem_of(text):
    with pytest.raises(RegoProblems) as refused:
        parse_module("x.rego", text)
    (problem,) = refused.value.problems
    return problem


def test_a_block_is_a_comment_at_the_beginning_of_a_line_that_says_so():
    """One blank before it, and it is a comment like others."""
    assert len(annotations_of("package a\n# METADATA\n# title: x\np := 1")) == 1
    assert not annotations_of("package a\n # METADATA\n # title: x\np := 1")


def test_a_block_belongs_to_what_stands_below_it():
    """A rule has its own, and not its neighbour's."""
    text = "# METADATA\n# title: one\npackage a\n# METADATA\n# title: two\np := 1\nq := 2"
    module = parse_module("x.rego", text)

    assert [(each.scope, each.members["title"]) for each in module.annotations] == [("package", "one"), ("rule", "two")]
    assert [[each.members["title"] for each in rule.annotations] for rule in module.rules] == [["two"], []]


@pytest.mark.parametrize(
    ("lines", "value"),
    [
        (["title: 1.50"], {"title": "1.50"}),
        (["entrypoint: yes", "scope: document"], {"entrypoint": True}),
        (["organizations: [1, b, ~]"], {"organizations": ["1", "b"]}),
        (["authors:", "- A B <a@b.c>", "- name: C"], {"authors": [{"name": "A B", "email": "a@b.c"}, {"name": "C"}]}),
        (["related_resources: [http://a.b/c d]"], {"related_resources": [{"ref": "http://a.b/c%20d"}]}),
        (["custom: {a: 1, b: true, c: 2020-01-01}"], {"custom": {"a": 1, "b": True, "c": "2020-01-01T00:00:00Z"}}),
        (["labels: {l: 017}"], {"labels": {"l": 15}}),
        (["schemas:", "- input.x: schema.y"], {"schemas": [{"path": ["input", "x"], "schema": ["schema", "y"]}]}),
        (["unknown: [", "  1]"], {}),
        (["title: ''", "custom: {}"], {}),
        (["title: x", "---", "title: ["], {"title": "x"}),  # a second document is not looked at
    ],
)
def test_a_block_says_what_its_yaml_says_in_opas_way(lines, value):
    """Each was asked of OPA."""
    assert members(*lines) == value


def test_a_float_is_written_as_go_writes_it():
    """1e6 is a float, and so has an exponent; 1000000 is none."""
    assert members("custom: {a: 1000000.0, b: 1000000}") == {"custom": {"a": Number("1e+06"), "b": 1000000}}


@pytest.mark.parametrize(
    ("lines", "row", "found"),
    [
        (["title: [1]"], 3, "yaml: unmarshal errors:\n  line 1: cannot unmarshal !!seq into string"),
        (["a: 1", "a: 2", "b: 3"], 5, 'yaml: unmarshal errors:\n  line 2: mapping key "a" already defined at line 1'),
        (["title: x", "b: [", "c: 1"], 4, "yaml: line 1: did not find expected ',' or ']'"),
        (["authors: ['']"], 2, "invalid author definition : author is an empty string"),
        (["custom: {a: {1: 2}}"], 2, "invalid map key type(s): "),
        (["schemas: [{a: b}]"], 2, "invalid document reference"),
        (["scope: foo"], 2, "invalid annotation scope 'foo'."),
        (["scope: package"], 2, "annotation scope 'package' must be applied to package (have rule)"),
        (["entrypoint: true", "scope: rule"], 2, "annotation entrypoint applied to non-document"),
        (
            ["title:x"],
            3,
            "yaml: unmarshal errors:\n  line 1: cannot unmarshal !!str `title:x` into ast.rawAnnotation",
        ),
    ],
)
def test_a_block_that_is_wrong_is_a_problem_where_opa_says_so(lines, row, found):
    """Rows are OPA's: it points to the line behind the one that it means."""
    problem = problem_of(block(*lines))

    assert problem.place.row == row
    assert problem.found.startswith(found)
    assert problem.code == "rego_parse_error"


def test_aliases_that_multiply_are_refused():
    """Nine levels of nine: go-yaml's own guard stops it, and so does ours."""
    lines = ["a0: &a0 [x]", *(f"a{at}: &a{at} [{', '.join([f'*a{at - 1}'] * 9)}]" for at in range(1, 10))]

    assert problem_of(block("custom:", *(f"  {line}" for line in lines))).found.endswith("excessive aliasing")
    assert members("custom: {a: &a [x], b: *a}") == {"custom": {"a": ["x"], "b": ["x"]}}
