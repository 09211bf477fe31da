"""The parser's face: all problems at once, remedies, bounds, and that nothing else ever comes out of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz_rego.errors import Place, RegoProblems
from authz_rego.syntax.cursor import MAX_NESTING
from authz_rego.syntax.depth import MAX_DEPTH
from authz_rego.syntax.modules import parse_body, parse_module, parse_term
from authz_rego.syntax.tree import Call, Expr, Module, Ref, Scalar, SetTerm, Var


def problems_of(text):
    with pytest.raises(RegoProblems) as refused:
        parse_module("order.rego", text)
    return refused.value.problems


def rule_of(line):
    (rule,) = parse_module("order.rego", f"package a\n{line}").rules
    return rule


# ── problems ──


def test_all_problems_of_a_file_come_at_once():
    """Three rules, each with its own mistake; the fourth has none."""
    found = problems_of("package a\np { true }\nq[x] := 1 { x := 1 }\nif := 1 if true\nr := 1")

    assert [each.place.row for each in found] == [4]
    found = problems_of("package a\np { true }\nq[x] { x := 1 }\nr := 1")
    assert [(each.place.row, each.found) for each in found] == [
        (2, "`if` keyword is required before rule body"),
        (3, "`if` keyword is required before rule body"),
        (3, "`contains` keyword is required for partial set rules"),
    ]


def test_a_problem_says_the_file_the_place_and_the_code():
    """As OPA has it: the column counts characters, not bytes."""
    (problem,) = problems_of('package a\np := "ä" + ]')

    assert problem.place == Place("order.rego", 2, 12)
    assert problem.code == "rego_parse_error"
    assert problem.found == "unexpected ] token"


@pytest.mark.parametrize("line", ["p { true }", "p[x] { x := 1 }", "f(x) { x }", "p = 1 { true }"])
def test_rego_v0_is_named_with_its_remedy(line):
    """The command that converts the file stands beside the problem."""
    assert any("opa fmt --write --v0-v1" in problem.fix for problem in problems_of(f"package a\n{line}"))


@pytest.mark.parametrize("line", ["p if { true }", "p contains x if { x := 1 }", "f(x) if { x }", "p := 1 if { true }"])
def test_the_same_in_rego_v1_is_no_problem(line):
    """Each of them has its counterpart above."""
    assert rule_of(line).body


@pytest.mark.parametrize("line", ["f(x).y if true", "set().x if true"])
def test_a_rule_that_crashes_opas_compiler_is_refused(line):
    """Its parser lets these pass; a rule must begin with a name."""
    (problem,) = problems_of(f"package a\n{line}")

    assert problem.found.startswith("rule head ref")
    assert rule_of(line.replace("f(x)", "f").replace("set()", "f")).head.value == Scalar(True)


# ── trees ──


def test_each_wildcard_is_another_variable():
    """`_` is not itself; a name is."""
    assert rule_of("p := [_, _]").head.value.items == (Var("$0"), Var("$1"))
    assert rule_of("p := [x, x]").head.value.items == (Var("x"), Var("x"))


def test_a_set_has_each_member_once_and_true_is_not_one():
    """1 and 1.0 are the same number; the first one stays."""
    assert rule_of("p := {1, 1.0, true}").head.value == SetTerm((Scalar(1), Scalar(True)))
    assert Scalar(1) != Scalar(True)


def test_a_value_that_was_not_written_is_told_from_one_that_was():
    """`p if …` is true as `p := true if …` is."""
    assert (rule_of("p if x").head.value, rule_of("p if x").head.value_written) == (Scalar(True), False)
    assert (rule_of("p := true if x").head.value, rule_of("p := true if x").head.value_written) == (Scalar(True), True)
    assert rule_of("p contains x").head.value is None


def test_a_body_and_a_term_can_be_read_alone():
    """Queries have imports of keywords no more than OPA's have: a rule is none."""
    assert parse_body("x; y") == (Expr(Var("x")), Expr(Var("y")))
    assert parse_term("f(1)") == Call(Ref(Var("f"), ()), (Scalar(1),))
    for refused in ("p if true", "package a", ""):
        if refused:
            with pytest.raises(RegoProblems):
                parse_body(refused)
        with pytest.raises(RegoProblems):
            parse_term(refused)


# ── bounds ──

NESTED = {
    "parentheses": ("p := ", "(", "1", ")", 1),
    "arrays": ("p := ", "[", "1", "]", 1),
    "objects": ("p := ", '{"a": ', "1", "}", 1),
    "comprehensions": ("p := ", "[x | ", "1", "]", 2),
    "calls": ("p := ", "f(", "1", ")", 1),
    "references": ("p := ", "f[", "1", "]", 1),
    "templates": ("p := ", '$"{', "1", '}"', 2),
    "every": ("p if ", "every x in y { ", "1", " }", 1),
    "operators": ("p := ", "1 + (", "1", ")", 2),
}


@pytest.mark.parametrize(("before", "opening", "inside", "closing", "weight"), NESTED.values(), ids=NESTED)
def test_deep_nesting_is_a_problem_and_no_crash(before, opening, inside, closing, weight):
    """What is just not too deep is taken."""

    def text(depth):
        return f"package a\n{before}{opening * depth}{inside}{closing * depth}"

    assert parse_module("", text((MAX_NESTING - 2) // weight)).rules
    for depth in (MAX_NESTING // weight + 1, 50_000):
        assert problems_of(text(depth))[0].found == "max parsing recursion depth exceeded"


@pytest.mark.parametrize("link", [" + 1", " | x", " in y"])
def test_a_long_chain_of_operators_is_a_problem_before_it_is_too_deep_for_what_comes_next(link):
    """Operators make a tree that is as deep as their chain is long."""
    assert parse_module("", f"package a\np if 1{link * (MAX_DEPTH - 10)}").rules
    assert problems_of(f"package a\np if 1{link * MAX_DEPTH}")[0].found == "max parsing recursion depth exceeded"


def test_a_long_chain_of_elses_is_a_problem_too():
    """A hundred are not."""
    assert parse_module("", "package a\np if x" + " else := 1 if y" * 100).rules
    assert problems_of("package a\np if x" + " else := 1 if y" * 1000)


def test_a_text_that_makes_the_parser_go_back_again_and_again_is_given_up():
    """Each of these braces could be a body or a set; OPA itself tries for hours."""
    found = problems_of("package a\nimport rego.v2\np if " + "{x | " * 35 + "1" + "}" * 35)

    assert found[0].found == "the text takes too long to parse"


def test_a_stack_that_is_nearly_full_is_a_problem_and_no_crash():
    """Wherever the parser is called from."""

    def called_from(depth):
        return called_from(depth - 1) if depth else problems_of("package a\np := " + "[" * 70 + "]" * 70)

    try:
        found = called_from(850)
    except RecursionError:
        pytest.skip("the tests' own stack is too deep here")
    assert found[0].found == "max parsing recursion depth exceeded"


# ── anything ──

CHARACTERS = tuple('{}[]()|&;:,.=+-*/<>!_$"`#\\\n\t \r\0\ufeff\xa0é٣')
WORDS = (
    *(
        "if",
        "contains",
        "in",
        "every",
        "some",
        "not",
        "and",
        "or",
        "with",
        "as",
        "else",
        "default",
        "import",
        "package",
    ),
    *(
        "null",
        "true",
        "1",
        "1.5e3",
        "x",
        "p",
        "set()",
        "input",
        "data.a",
        "f(",
        "future.keywords",
        "rego.v2",
        ":=",
        "==",
    ),
    *('"a"', '$"{'),
)
PIECES = st.sampled_from((*CHARACTERS, *WORDS, "# METADATA\n", "# title: ", "# custom: ", "\n# - "))


@given(st.one_of(st.text(), st.lists(PIECES).map(" ".join), st.lists(PIECES).map("".join)), st.booleans())
def test_any_text_is_a_module_or_has_problems(text, in_a_package):
    """Nothing else is ever raised, and problems have places in the text."""
    text = f"package a\n{text}" if in_a_package else text
    for parse in (lambda given: parse_module("x.rego", given), parse_body, parse_term):
        rows = [0]
        try:
            parse(text)
        except RegoProblems as refused:
            rows = [each.place.row for each in refused.problems]
        assert rows
        assert all(0 <= row <= text.count("\n") + 1 for row in rows)


@pytest.mark.parametrize(
    "text", ["\ud800", 'package a\np := "\ud800"', "package a\n# METADATA\n# title: \ud800\np := 1"]
)
def test_half_a_character_is_a_problem(text):
    """No file has one; a caller's text might."""
    assert problems_of(text)[0].found == "illegal utf-8 character"


def test_an_empty_file_is_no_module():
    """A package alone is one."""
    assert [each.found for each in problems_of("")] == ["empty module"]
    assert parse_module("", "package a") == Module("", Ref(Var("data"), (Scalar("a"),)), (), ())
