"""What OPA's type checker says of policies (answers/type_claims.jsonl, type_sample.jsonl: asked of the real one)."""

from __future__ import annotations

import json
from pathlib import Path
from time import process_time
from typing import Any

import pytest

from authz_rego.check.stages import compile_modules
from authz_rego.check.type_check import check_types
from authz_rego.check.type_replacing import Branch
from authz_rego.check.type_text import type_text
from authz_rego.errors import RegoProblem, RegoProblems
from authz_rego.syntax.modules import parse_module, parse_term
from authz_rego.syntax.tree import (
    ArrayComprehension,
    ArrayTerm,
    Call,
    Every,
    Expr,
    Head,
    Ref,
    Rule,
    Scalar,
    Term,
    Var,
    With,
)


def _answers(name: str) -> list[dict[str, Any]]:
    lines = (Path(__file__).parent / "answers" / f"{name}.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def _problems(modules: dict[str, str]) -> list[RegoProblem]:
    try:
        compile_modules(parse_module(file, text) for file, text in modules.items())
    except RegoProblems as refused:
        return list(refused.problems)
    return []


@pytest.mark.parametrize("answer", _answers("type_claims"), ids=lambda answer: answer["claim"])
def test_a_policy_is_refused_as_opa_refuses_it(answer: dict[str, Any]) -> None:
    """Or not, if OPA does not: the claims stand beside their opposites."""
    found = [[each.place.row, each.found] for each in _problems({"p.rego": answer["policy"]})]

    assert sorted(found) == sorted(answer["problems"])


@pytest.mark.parametrize(
    "answer", _answers("type_sample"), ids=lambda answer: next(iter(answer["modules"].values()))[-40:]
)
def test_random_policies_are_refused_as_opa_refuses_them(answer: dict[str, Any]) -> None:
    """A third of them is not."""
    found = [[each.place.file, each.place.row, each.found] for each in _problems(answer["modules"])]

    assert sorted(found) == answer["problems"]


# ── what to do about it ──


def _fixes(policy: str) -> list[str]:
    return [each.fix for each in _problems({"p.rego": f"package p\n\n{policy}\n"})]


def test_the_key_that_is_probably_meant_is_named() -> None:
    """And what the mistake would do under `not`."""
    assert _fixes('q := {"roles": []}\np if not q.role') == [
        "did you mean `data.p.q.roles`? under `not` this would be true for everybody"
    ]


@pytest.mark.parametrize(
    ("policy", "fix"),
    [
        ('p if { x := {"a": 1}; x.zzz }', '`x` has "a"; under `not` this would be true for everybody'),
        ("p if { x := {}; x.a }", "`x` is empty; under `not` this would be true for everybody"),
        (
            "p if { x := [1]; x.a }",
            "`x` has keys of the type number only; under `not` this would be true for everybody",
        ),
        ("p if { x := 1; x.a }", "`x` has nothing inside: it is number; under `not` this would be true for everybody"),
        ("f(x) := x\np if data.p.f", "call it: data.p.f(…)"),
        (
            'p if 1 == "a"',
            (
                "compare values of one type: what is never true makes the body undefined, "
                "and under `not` it would be true for everybody"
            ),
        ),
        (
            'p if lower(1) == "a"',
            (
                "give lower what it wants: a call with a wrong type is undefined, "
                "and under `not` this would be true for everybody"
            ),
        ),
    ],
)
def test_each_problem_says_what_to_do(policy: str, fix: str) -> None:
    """In the words of those who write policies."""
    assert _fixes(policy) == [fix]


# ── trees that are made by hand ──


def _ref(text: str) -> Ref:
    head, *path = text.split(".")
    return Ref(Var(head), tuple(map(Scalar, path)))


def _statement(operator: str, *args: Term, withs: tuple[With, ...] = ()) -> Expr:
    return Expr(Call(_ref(operator), args), with_=withs)


def _branch(name: str, body: tuple[Expr, ...], value: Term | None = None) -> Branch:
    ref = _ref(f"data.p.{name}")
    return Branch(ref, Rule(Head(ref, value=value or Scalar(True)), body))


def _checked(*branches: Branch, used_by: dict[int, list[int]] | None = None) -> list[str]:
    users = used_by or {}
    _, problems = check_types(branches, written={}, subjects={}, used_by=lambda number: users.get(number, ()))
    return [each.found.split("\n")[0] for each in problems]


def test_generated_names_are_shown_as_the_user_wrote_them() -> None:
    """Or by the term that they stand for."""
    looked_up = Ref(Var("__local0__"), (Var("__local1__"), Scalar("c")))
    body = (
        _statement("eq", Var("__local0__"), parse_term('{"a": {"b": 1}}')),
        _statement("eq", Var("__local2__"), looked_up),
    )
    written, subjects = {"__local1__": "name"}, {"__local0__": parse_term("f(1)")}

    _, problems = check_types([_branch("q", body)], written=written, subjects=subjects)

    assert [each.found.split("\n")[0] for each in problems] == ["undefined ref: f(1)[name].c"]


def test_a_branch_that_uses_a_replaced_rule_can_give_anything() -> None:
    """Only if it uses it: `used_by` says so."""
    q = _branch("q", (), Scalar(1))
    r = _branch("r", (_statement("eq", Var("x"), _ref("data.p.q")),), Var("x"))
    replaced = (With(_ref("data.p.q"), Scalar("a")),)
    p = _branch("p", (_statement("eq", _ref("data.p.r"), Scalar("a"), withs=replaced),))

    assert _checked(q, r, p, used_by={0: [1]}) == []
    assert _checked(q, r, p) == ["match error"]


def test_every_has_no_with_that_replaces_a_function() -> None:
    """OPA takes what stands there for a value; what replaces a document is fine."""
    every = Every(None, Var("x"), ArrayTerm((Scalar(1),)), (Expr(Scalar(True)),))

    def problems(target: str) -> list[RegoProblem]:
        branch = _branch("p", (Expr(every, with_=(With(_ref(target), Scalar(1)),)),))
        return check_types([branch], written={}, subjects={})[1]

    assert [each.found.split("\n")[0] for each in problems("count")] == ["function count used as reference, not called"]
    assert "put it into a rule" in problems("count")[0].fix
    assert problems("input.x") == []


def test_the_types_of_documents_can_be_asked_for_when_they_are_checked() -> None:
    body = (_statement("eq", Var("x"), parse_term('[1, {"a": null}]')), _statement("eq", Var("y"), _ref("x")))
    env, problems = check_types([_branch("q", body)], written={}, subjects={})

    assert problems == []
    assert type_text(env.type_of(_ref("data.p.q"))) == "boolean"
    assert type_text(env.type_of(_ref("input.x"))) == "any"
    assert env.type_of(Var("x")) is None


# ── bounds ──


def test_nested_comprehensions_take_no_exponential_time() -> None:
    """OPA's takes twice as long for each level; at 40 nobody would wait for it."""
    term: Term = Scalar(1)
    for _ in range(40):
        term = ArrayComprehension(Var("x"), (_statement("eq", Var("x"), term),))
    start = process_time()

    assert _checked(_branch("p", (_statement("eq", Var("v"), term), _statement("eq", Var("v"), Scalar("a"))))) == [
        "match error"
    ]
    assert process_time() - start < 5


def test_types_that_double_are_anything_in_the_end() -> None:
    """`x := [y, y]` sixty times over: what is small enough is known."""
    body = [_statement("eq", Var("x0"), ArrayTerm((Scalar(1),)))]
    body += [
        _statement("eq", Var(f"x{level}"), ArrayTerm((Var(f"x{level - 1}"), Var(f"x{level - 1}"))))
        for level in range(1, 60)
    ]
    small, large = _statement("eq", Var("x9"), Scalar("a")), _statement("eq", Var("x59"), Scalar("a"))

    assert _checked(_branch("p", (*body, small))) == ["match error"]
    assert _checked(_branch("p", (*body, large))) == ["match error"]


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a": ', "}"), ("{", "}"), ("{", ": 1}")])
def test_deep_literals_are_checked_in_no_time(opening: str, closing: str) -> None:
    """Keys in keys in keys, too."""
    start = process_time()
    term = parse_term(opening * 40 + "1" + closing * 40)
    body = (_statement("eq", Var("v"), term), _statement("eq", Var("v"), Scalar("a")))

    assert _checked(_branch("p", body)) == ["match error"]
    assert process_time() - start < 2
