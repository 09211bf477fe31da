"""Terms as OPA writes and orders them (answers/term_texts.jsonl: asked of the real one)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from authz_rego.check.static_keys import is_constant, is_ground, key_order, printed_key, static_key
from authz_rego.check.term_order import sorted_items, sorted_pairs, term_order
from authz_rego.check.term_text import body_text, term_text
from authz_rego.syntax.modules import parse_body, parse_term
from authz_rego.syntax.tree import Expr, Logical, Not, ObjectTerm, Scalar, SetTerm, Var, With
from authz_rego.values.number import Number

_ANSWERS = (Path(__file__).parent / "answers" / "term_texts.jsonl").read_text().splitlines()


@pytest.mark.parametrize(("source", "text"), [json.loads(line) for line in _ANSWERS])
def test_a_body_is_written_as_opa_writes_it(source: str, text: str) -> None:
    """Sets and objects in order, operators as calls, names that are none in brackets."""
    assert body_text(parse_body(source)) == text


def _one(name: str) -> tuple[Expr, ...]:
    return (Expr(Var(name)),)


@pytest.mark.parametrize(
    ("statement", "text"),
    [
        (Not(_one("x")), "not x"),
        (Not(_one("x"), explicit=True), "not {x}"),
        (Not((*_one("x"), *_one("y"))), "not {x; y}"),
        (Not((Expr(Not(_one("x"))),)), "not (not x)"),
        (Not((Expr(SetTerm((Scalar(1),))),)), "not ({1})"),
        (Not((Expr(SetTerm(())),)), "not set()"),
        (Not((Expr(Var("x"), with_=(With(Var("input"), Scalar(1)),)),)), "not (x with input as 1)"),
        (Logical("and", _one("x"), _one("y")), "x and y"),
        (Logical("or", _one("x"), _one("y"), left_explicit=True), "{ x } or y"),
        (Logical("and", (Expr(Logical("or", _one("a"), _one("b"))),), _one("y")), "(a or b) and y"),
        (Logical("or", (Expr(Logical("and", _one("a"), _one("b"))),), _one("y")), "a and b or y"),
        (Logical("or", (Expr(Logical("or", _one("a"), _one("b"))),), _one("y")), "a or b or y"),
        (Logical("or", _one("y"), (Expr(Logical("or", _one("a"), _one("b"))),)), "y or (a or b)"),
    ],
)
def test_statements_of_the_future_have_parentheses_where_they_need_them(statement: Not | Logical, text: str) -> None:
    """Where they would be read as something else without."""
    assert body_text((Expr(statement),)) == text


def test_equal_terms_are_one_member_of_a_set() -> None:
    """1 and 1.0 are equal, 1 and true are not; of equal keys the last one's value counts."""
    items = SetTerm((Scalar(1), Scalar(Number("1.0")), Scalar(True), Var("x"), Var("x")))
    pairs = ObjectTerm(((Scalar("a"), Scalar(1)), (Scalar("a"), Scalar(2))))

    assert [*map(term_text, sorted_items(items))] == ["true", "1", "x"]
    assert [value.value for _, value in sorted_pairs(pairs) if isinstance(value, Scalar)] == [2]
    assert term_order(Scalar(1)) == term_order(Scalar(Number("1e0")))
    assert term_order(Scalar(1)) != term_order(Scalar(True))


@pytest.mark.parametrize(
    ("text", "constant", "ground"),
    [
        ('{"a": [1, {2}]}', True, True),
        ('{"a": [1, {x}]}', False, False),
        ("[input.x]", False, True),
        ("[input.x[y]]", False, False),
        ("[x | x := 1]", False, False),
    ],
)
def test_a_constant_needs_no_evaluation(text: str, constant: bool, ground: bool) -> None:
    """What is ground has no variable in it, but for the heads of references."""
    term = parse_term(text)

    assert is_constant(term) is constant
    assert is_ground(term) is ground


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ('"a b"', "a b"),
        ("null", "<nil>"),
        ("true", "true"),
        ("1.50", "1.50"),
        ("[1, {2, 1}]", "[1 [1 2]]"),
        ('{"b": {1: [2]}, "a": null}', "map[a:<nil> b:map[1:[2]]]"),
    ],
)
def test_keys_of_types_are_printed_as_go_prints_json(text: str, printed: str) -> None:
    """A set among them is a list, and what is no text is text when it is a key."""
    assert printed_key(static_key(parse_term(text))) == printed


def test_keys_that_json_cannot_have_are_refused() -> None:
    """`.5` in a key of a key; on its own it is a number like others."""
    assert static_key(parse_term("{.5}")) == [Number(".5")]
    with pytest.raises(ValueError, match="JSON"):
        static_key(parse_term("{.5: 1}"))


def test_numbers_among_keys_are_compared_at_64_binary_digits() -> None:
    """As OPA compares them; everything else as it is."""
    assert key_order(2**65 + 1) == key_order(2**65)
    assert key_order(2**64 + 1) != key_order(2**64 + 3)
    assert key_order(2**63 + 1) != key_order(2**63)
    assert key_order(Number("0.1")) == key_order(Number("0.10"))
    assert key_order(Number("-0.1")) < key_order(Number("1e-5"))
    assert key_order(False) != key_order(0)
    assert key_order(None) < key_order(False) < key_order(-1) < key_order("") < key_order([]) < key_order({})
