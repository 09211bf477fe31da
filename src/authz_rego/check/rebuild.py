"""A tree made anew from another: each stage says what becomes of the nodes it cares for. Decides nothing itself."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias

from authz_rego.syntax.tree import (
    ArrayComprehension,
    ArrayTerm,
    Body,
    Call,
    Every,
    Expr,
    Head,
    Logical,
    Not,
    ObjectComprehension,
    ObjectTerm,
    Ref,
    Rule,
    Scalar,
    SetComprehension,
    SetTerm,
    SomeDecl,
    TemplateString,
    Term,
    Var,
    With,
)

Statement: TypeAlias = Term | SomeDecl | Every | Not | Logical


class Rebuild:
    """Makes the same tree; subclasses override what they change, and call `…_inside` for what is below."""

    def rule(self, rule: Rule) -> Rule:
        """With its else-branches."""
        return replace(
            rule, head=self.head(rule.head), body=self.body(rule.body), else_=rule.else_ and self.rule(rule.else_)
        )

    def head(self, head: Head) -> Head:
        ref = replace(head.ref, path=tuple(map(self.term, head.ref.path)))
        args = None if head.args is None else tuple(map(self.term, head.args))
        return replace(
            head, ref=ref, args=args, key=head.key and self.term(head.key), value=head.value and self.term(head.value)
        )

    def body(self, body: Body) -> Body:
        return tuple(map(self.expr, body))

    def expr(self, expr: Expr) -> Expr:
        return self.expr_inside(expr)

    def expr_inside(self, expr: Expr) -> Expr:
        return replace(expr, terms=self.statement(expr.terms), with_=tuple(map(self.with_, expr.with_)))

    def with_(self, each: With) -> With:
        return replace(each, target=self.term(each.target), value=self.term(each.value))

    def statement(self, terms: Statement) -> Statement:
        match terms:
            case SomeDecl():
                return replace(terms, symbols=tuple(map(self.term, terms.symbols)))
            case Every():
                key = terms.key and self.variable(terms.key)
                value, domain = self.variable(terms.value), self.term(terms.domain)
                return replace(terms, key=key, value=value, domain=domain, body=self.body(terms.body))
            case Not():
                return replace(terms, body=self.body(terms.body))
            case Logical():
                return replace(terms, left=self.body(terms.left), right=self.body(terms.right))
        return self.term(terms)

    def variable(self, var: Var) -> Var:
        return var

    def term(self, term: Term) -> Term:
        return self.term_inside(term)

    def ref(self, ref: Ref) -> Ref:
        return replace(ref, head=self.term(ref.head), path=tuple(map(self.term, ref.path)))

    def operator(self, ref: Ref) -> Ref:
        """The name of what is called."""
        return self.ref(ref)

    def term_inside(self, term: Term) -> Term:  # noqa: PLR0911 - one line for each kind of term
        match term:
            case Scalar():
                return term
            case Var():
                return self.variable(term)
            case Ref():
                return self.ref(term)
            case ArrayTerm() | SetTerm():
                return replace(term, items=tuple(map(self.term, term.items)))
            case ObjectTerm():
                return replace(term, pairs=tuple((self.term(key), self.term(value)) for key, value in term.pairs))
            case Call():
                return replace(term, operator=self.operator(term.operator), args=tuple(map(self.term, term.args)))
            case ArrayComprehension() | SetComprehension():
                return replace(term, term=self.term(term.term), body=self.body(term.body))
            case ObjectComprehension():
                return replace(term, key=self.term(term.key), value=self.term(term.value), body=self.body(term.body))
            case TemplateString():
                parts = tuple(self.expr(part) if isinstance(part, Expr) else part for part in term.parts)
                return replace(term, parts=parts)
