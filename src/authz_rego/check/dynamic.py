"""References and comprehensions inside of others get a value before they are used, and a name. The last rewriting."""

from __future__ import annotations

from dataclasses import replace

from authz_rego.check.expand import equality
from authz_rego.check.local_names import LocalNames
from authz_rego.check.names import is_equality
from authz_rego.check.term_order import sorted_items, sorted_pairs
from authz_rego.syntax import tree


def dynamic_rule(rule: tree.Rule, names: LocalNames) -> tree.Rule:
    """References and comprehensions inside of others get a value before they are used."""
    return replace(rule, body=_Dynamic(names).body(rule.body), else_=rule.else_ and dynamic_rule(rule.else_, names))


class _Dynamic:
    def __init__(self, names: LocalNames) -> None:
        self._names = names

    def body(self, body: tree.Body) -> tree.Body:
        done: list[tree.Expr] = []
        for expr in body:
            done.append(self._expr(expr, done))
        return tuple(done)

    def _expr(self, expr: tree.Expr, done: list[tree.Expr]) -> tree.Expr:  # noqa: PLR0911 - one line for each kind of statement
        terms = expr.terms
        match terms:
            case tree.Call() if is_equality(terms):
                if len(terms.args) != 2:
                    return expr
                left = self._shallow(expr, terms.args[0], done)
                return replace(expr, terms=replace(terms, args=(left, self._shallow(expr, terms.args[1], done))))
            case tree.Call():
                args = tuple(self._deep(expr, arg, done) for arg in terms.args)
                return replace(expr, terms=replace(terms, args=args))
            case tree.Every():
                domain = self._deep(expr, terms.domain, done)
                return replace(expr, terms=replace(terms, domain=domain, body=self.body(terms.body)))
            case tree.Not():
                return replace(expr, terms=replace(terms, body=self.body(terms.body)))
            case tree.Logical():
                return replace(expr, terms=replace(terms, left=self.body(terms.left), right=self.body(terms.right)))
        return replace(expr, terms=self._shallow(expr, terms, done))  # type: ignore[arg-type]

    def _shallow(self, expr: tree.Expr, term: tree.Term, done: list[tree.Expr]) -> tree.Term:
        match term:
            case tree.Ref():
                return replace(term, path=tuple(self._deep(expr, each, done) for each in term.path))
            case tree.ArrayComprehension() | tree.SetComprehension() | tree.ObjectComprehension():
                return replace(term, body=self.body(term.body))
        return self._deep(expr, term, done)

    def _deep(self, expr: tree.Expr, term: tree.Term, done: list[tree.Expr]) -> tree.Term:
        match term:
            case tree.Ref():
                new: tree.Term = replace(term, path=tuple(self._deep(expr, each, done) for each in term.path))
            case tree.ArrayTerm():
                return replace(term, items=tuple(self._deep(expr, each, done) for each in term.items))
            case tree.SetTerm():  # in OPA's order, as the names are those by which loops go through it
                return replace(term, items=tuple(self._deep(expr, each, done) for each in sorted_items(term)))
            case tree.ObjectTerm():
                pairs = tuple((self._deep(expr, k, done), self._deep(expr, v, done)) for k, v in sorted_pairs(term))
                return replace(term, pairs=pairs)
            case tree.ArrayComprehension() | tree.SetComprehension() | tree.ObjectComprehension():
                new = replace(term, body=self.body(term.body))
            case _:
                return term
        name = self._names.new()
        self._names.subjects[name] = new
        done.append(equality(name, new, expr.with_))
        return tree.Var(name, term.place)
