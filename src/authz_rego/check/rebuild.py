"""A tree made anew from another: each stage says what becomes of the nodes it cares for. Decides nothing itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from authz_rego.syntax import tree


class Rebuild:
    """Makes the same tree; subclasses override what they change, and call `…_inside` for what is below."""

    def rule(self, rule: tree.Rule) -> tree.Rule:
        """With its else-branches."""
        return replace(
            rule, head=self.head(rule.head), body=self.body(rule.body), else_=rule.else_ and self.rule(rule.else_)
        )

    def head(self, head: tree.Head) -> tree.Head:
        ref = replace(head.ref, path=tuple(map(self.term, head.ref.path)))
        args = None if head.args is None else tuple(map(self.term, head.args))
        return replace(
            head, ref=ref, args=args, key=head.key and self.term(head.key), value=head.value and self.term(head.value)
        )

    def body(self, body: tree.Body) -> tree.Body:
        return tuple(map(self.expr, body))

    def expr(self, expr: tree.Expr) -> tree.Expr:
        return self.expr_inside(expr)

    def expr_inside(self, expr: tree.Expr) -> tree.Expr:
        return replace(expr, terms=self.statement(expr.terms), with_=tuple(map(self.with_, expr.with_)))

    def with_(self, each: tree.With) -> tree.With:
        return replace(each, target=self.term(each.target), value=self.term(each.value))

    def statement(self, terms: tree.Terms) -> tree.Terms:
        match terms:
            case tree.SomeDecl():
                return replace(terms, symbols=tuple(map(self.term, terms.symbols)))
            case tree.Every():
                key = terms.key and self.variable(terms.key)
                value, domain = self.variable(terms.value), self.term(terms.domain)
                return replace(terms, key=key, value=value, domain=domain, body=self.body(terms.body))
            case tree.Not():
                return replace(terms, body=self.body(terms.body))
            case tree.Logical():
                return replace(terms, left=self.body(terms.left), right=self.body(terms.right))
        return self.term(terms)

    def variable(self, var: tree.Var) -> tree.Var:
        return var

    def term(self, term: tree.Term) -> tree.Term:
        return self.term_inside(term)

    def ref(self, ref: tree.Ref) -> tree.Ref:
        return replace(ref, head=self.term(ref.head), path=tuple(map(self.term, ref.path)))

    def operator(self, ref: tree.Ref) -> tree.Ref:
        """The name of what is called."""
        return self.ref(ref)

    def term_inside(self, term: tree.Term) -> tree.Term:  # noqa: PLR0911 - one line for each kind of term
        match term:
            case tree.Scalar():
                return term
            case tree.Var():
                return self.variable(term)
            case tree.Ref():
                return self.ref(term)
            case tree.ArrayTerm() | tree.SetTerm():
                return replace(term, items=tuple(map(self.term, term.items)))
            case tree.ObjectTerm():
                return replace(term, pairs=tuple((self.term(key), self.term(value)) for key, value in term.pairs))
            case tree.Call():
                return replace(term, operator=self.operator(term.operator), args=tuple(map(self.term, term.args)))
            case tree.ArrayComprehension() | tree.SetComprehension():
                return replace(term, term=self.term(term.term), body=self.body(term.body))
            case tree.ObjectComprehension():
                return replace(term, key=self.term(term.key), value=self.term(term.value), body=self.body(term.body))
            case tree.TemplateString():
                parts = tuple(self.expr(part) if isinstance(part, tree.Expr) else part for part in term.parts)
                return replace(term, parts=parts)


def renamed(node: tree.Term, name: Callable[[str], str]) -> tree.Term:
    """The term with other names of variables, everywhere in it."""
    return Renamer(name).term(node)


class Renamer(Rebuild):
    def __init__(self, name: Callable[[str], str]) -> None:
        self._name = name

    def variable(self, var: tree.Var) -> tree.Var:
        return tree.Var(self._name(var.name), var.place)
