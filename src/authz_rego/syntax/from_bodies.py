"""Rules that are written like statements: `p := 1`, `f(x) := x + 1`, `p["a"] = 1`. Not those with a body (`rules`).

OPA reads them as a query first, and makes a rule of it when the module is put together.
"""

from __future__ import annotations

from dataclasses import replace

from authz_rego.builtins.declarations import declarations
from authz_rego.syntax.cursor import Statement
from authz_rego.syntax.heads import Written, true_body
from authz_rego.syntax.shapes import calls, kind_of, operator_of
from authz_rego.syntax.text import ref_text
from authz_rego.syntax.tree import Call, Every, Head, Logical, Not, Ref, Rule, Scalar, SomeDecl, Term, Var


class NoRule(Exception):  # noqa: N818  # why a statement cannot be one
    """A statement that is no rule."""


def rule_of(body: list[Statement]) -> Written:
    """Raises NoRule."""
    if len(body) != 1:
        raise NoRule("multiple expressions cannot be used for rule head")
    expr = body[0].expr
    if expr.with_:
        raise NoRule("expressions using with keyword cannot be used for rule head")
    if expr.negated:
        raise NoRule("negated expressions cannot be used for rule head")
    terms = expr.terms
    if isinstance(terms, SomeDecl):
        raise NoRule("'some' declarations cannot be used for rule head")
    if isinstance(terms, (Every, Not, Logical)):
        raise NoRule("expression cannot be used for rule head")
    if not isinstance(terms, Call):
        return _from_term(terms)
    assigned = calls(expr, "assign")
    if assigned or calls(expr, "eq"):
        if len(terms.args) < 2:
            raise NoRule("assignment requires two operands")
        head = replace(_head_of(*terms.args[:2]), assign=assigned, place=expr.place)
        return Written(Rule(head, true_body(terms.args[1].place), place=expr.place), has_body=False)
    if operator_of(expr) in declarations():
        raise NoRule("rule name conflicts with built-in function")
    return _from_call(terms)


def _from_term(term: Term) -> Written:
    if not isinstance(term, Ref):
        raise NoRule(f"{kind_of(term)} cannot be used for rule name")
    if not term.path:
        raise NoRule("refs cannot be used for rule head")
    place = _named(term).place
    if len(term.path) == 1:  # a set once; Rego v1 refuses it
        head = Head(Ref(term.head, (), term.place), key=term.path[0], place=place)
        return Written(Rule(head, true_body(place), place=place), has_body=False)
    head = Head(term, value=Scalar(True, place), place=place)
    return Written(Rule(head, true_body(place), place=place), has_body=False, value_was_made=True)


def _from_call(call: Call) -> Written:
    if not call.args:
        raise NoRule("rule argument list must take at least one argument")
    place = call.operator.place
    head = Head(_named(call.operator), call.args, value=Scalar(True, place), place=place)
    return Written(Rule(head, true_body(place), place=place), has_body=False)


def _head_of(left: Term, value: Term) -> Head:
    """Of `left := value`."""
    if isinstance(left, Call) and isinstance(left.operator.head, Var):
        return Head(left.operator, left.args or None, value=value, value_written=True)
    if isinstance(left, Ref):
        key = left.path[0] if len(left.path) == 1 else None
        return Head(_named(left), key=key, value=value, value_written=True)
    if isinstance(left, Var):
        return Head(Ref(left, (), left.place), value=value, value_written=True)
    raise NoRule(f"{kind_of(left)} cannot be used for rule name")


def _named(ref: Ref) -> Ref:
    if not isinstance(ref.head, Var):
        raise NoRule(f"invalid rule head: {ref_text(ref)}")
    return ref
