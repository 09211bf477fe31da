"""What `default` rules may contain. Not how they are read (`rules`)."""

from __future__ import annotations

from collections.abc import Iterator

from authz_rego.syntax import tree
from authz_rego.syntax.cursor import Cursor
from authz_rego.syntax.shapes import kind_of

_FIX = "a default is a constant: compute it in a rule of its own"


def default_is_right(cursor: Cursor, rule: tree.Rule) -> bool:
    """Whether its value is a constant, or made of closures, and its arguments are different names."""
    head = rule.head
    if head.value is None:
        cursor.error(rule.place, "illegal default rule (must have a value)", "write `:=` and a value")
        return False
    found = [f"value cannot contain {kind}" for kind in _changing(head.value)]
    if not found:
        found = list(_wrong_args(head.args or ()))
    for each in found:
        cursor.error(rule.place, f"illegal default rule ({each})", _FIX)
    return not found


def _wrong_args(args: tuple[tree.Term, ...]) -> Iterator[str]:
    names: set[str] = set()
    for each in args:
        if not isinstance(each, tree.Var):
            yield f"arguments cannot contain {kind_of(each)}"
        elif each.name in names:
            yield f"arguments cannot be repeated {each.name}"
        else:
            names.add(each.name)


def _changing(term: tree.Term) -> Iterator[str]:
    """The kinds of what is no constant. Comprehensions are let pass."""
    match term:
        case tree.Ref() | tree.Var() | tree.Call():
            yield kind_of(term)
        case tree.ArrayTerm() | tree.SetTerm():
            for each in term.items:
                yield from _changing(each)
        case tree.ObjectTerm():
            for pair in term.pairs:
                for each in pair:
                    yield from _changing(each)
        case tree.TemplateString():
            for part in term.parts:
                yield from () if isinstance(part, tree.Scalar) else _changing_in((part,))


def _changing_in(body: tree.Body) -> Iterator[str]:
    for expr in body:
        for each in _terms_of(expr):
            yield from _changing(each)


def _terms_of(expr: tree.Expr) -> Iterator[tree.Term]:
    match expr.terms:
        case tree.Call():
            yield from (expr.terms.operator, *expr.terms.args)
        case tree.SomeDecl():
            yield from expr.terms.symbols
        case tree.Every() as every:
            yield from (every.value, every.domain)
        case tree.Not():
            for each in expr.terms.body:
                yield from _terms_of(each)
        case tree.Logical():
            for each in (*expr.terms.left, *expr.terms.right):
                yield from _terms_of(each)
        case _:
            yield expr.terms
    for with_ in expr.with_:
        yield from (with_.target, with_.value)
