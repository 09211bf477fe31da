"""Bodies in OPA's basic form: a call's arguments are values, and what has to be looked up or computed stands before it.

`x > count(f(y))` becomes `f(y, __local0__); count(__local0__, __local1__); gt(x, __local1__)`. Not their order.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from authz_rego.check.local_names import LocalNames
from authz_rego.check.names import is_call_of
from authz_rego.check.rebuild import Rebuild
from authz_rego.check.term_order import sorted_items, sorted_pairs
from authz_rego.check.walk import COMPREHENSIONS, contains
from authz_rego.syntax.tree import (
    ArrayComprehension,
    ArrayTerm,
    Body,
    Call,
    Every,
    Expr,
    Logical,
    Not,
    ObjectComprehension,
    ObjectTerm,
    Ref,
    Rule,
    Scalar,
    SetComprehension,
    SetTerm,
    Term,
    Var,
    With,
)

_EMPTY = (ArrayTerm, ObjectTerm, SetTerm, *COMPREHENSIONS)


def equality(name: str, value: Term, with_: tuple[With, ...] = ()) -> Expr:
    """`name = value`, as a stage adds it."""
    place = value.place
    operator = Ref(Var("eq", place), (), place)
    return Expr(Call(operator, (Var(name, place), value), place), with_=with_, generated=True, place=place)


def appended(body: Body, exprs: Iterable[Expr]) -> Body:
    """The body with more statements; a body that was only `true` is replaced."""
    exprs = tuple(exprs)
    if exprs and len(body) == 1 and isinstance(body[0].terms, Scalar) and body[0].terms.value is True:
        return exprs
    return (*body, *exprs)


def needs_evaluation(term: Term | None) -> bool:
    """Whether it has a reference or a comprehension in it."""
    return term is not None and contains(term, (Ref, *COMPREHENSIONS))


def head_references(rule: Rule, names: LocalNames) -> Rule:
    """`p[a.b] := 1` becomes `p[x] := 1 if x = a.b`."""
    path, key, more = [], rule.head.key, []
    for index, term in enumerate(rule.head.ref.path):
        if isinstance(term, Var | Scalar):
            path.append(term)
            continue
        name = names.new()
        more.append(equality(name, term))
        path.append(Var(name, term.place))
        if index == len(rule.head.ref.path) - 1 and key == term:
            key = path[-1]
    if not more:
        return rule
    head = replace(rule.head, ref=replace(rule.head.ref, path=tuple(path)), key=key)
    return replace(rule, head=head, body=appended(rule.body, more))


# ── calls out of terms ──


def expanded_rule(rule: Rule, names: LocalNames) -> Rule:
    """Each call in it stands as a statement of its own."""
    expander = _Expander(names)
    head, key, value = rule.head, rule.head.key, rule.head.value
    support, args = expander.terms(head.args or ())
    if key is not None:
        more, key = expander.term(key)
        support += more
    if value is not None:
        more, value = expander.term(value)
        support += more
    body = expander.body(appended(rule.body, support))
    new = replace(head, args=head.args and args, key=key, value=value)
    return replace(rule, head=new, body=body, else_=rule.else_ and expanded_rule(rule.else_, names))


class _Expander:
    def __init__(self, names: LocalNames) -> None:
        self._names = names

    def body(self, body: Body) -> Body:
        return tuple(new for expr in body for new in self.expr(expr))

    def expr(self, expr: Expr) -> list[Expr]:
        before: list[Expr] = []
        withs: list[With] = []
        for each in expr.with_:
            support, value = self.term(each.value)
            before += support
            withs.append(replace(each, value=value))
        expr = replace(expr, with_=tuple(withs))
        match expr.terms:
            case Call():
                support, args = self.terms(expr.terms.args)
                before += _with(support, expr.with_)
                return [*before, replace(expr, terms=replace(expr.terms, args=args))]
            case Every():
                every = expr.terms
                name = self._names.new()
                domain = equality(name, every.domain, expr.with_)
                before += self.expr(domain)
                new = replace(every, domain=Var(name, every.domain.place), body=self.body(every.body))
                return [*before, replace(expr, terms=new)]
            case Not():
                return [*before, replace(expr, terms=replace(expr.terms, body=self.body(expr.terms.body)))]
            case Logical():
                left, right = self.body(expr.terms.left), self.body(expr.terms.right)
                return [*before, replace(expr, terms=replace(expr.terms, left=left, right=right))]
        support, term = self.term(expr.terms)  # type: ignore[arg-type]
        return [*before, *_with(support, expr.with_), replace(expr, terms=term)]

    def terms(self, terms: Iterable[Term]) -> tuple[list[Expr], tuple[Term, ...]]:
        support: list[Expr] = []
        new: list[Term] = []
        for each in terms:
            more, term = self.term(each)
            support += more
            new.append(term)
        return support, tuple(new)

    def term(self, term: Term) -> tuple[list[Expr], Term]:  # noqa: PLR0911 - one line for each kind of term
        """The statements that go before, and what stands in the term's place then."""
        match term:
            case Call():
                support, args = self.terms(term.args)
                output = Var(self._names.new(), term.place)
                call = replace(term, args=(*args, output))
                return [*support, Expr(call, generated=True, place=term.place)], output
            case Ref():
                return self._ref(term)
            case ArrayTerm() | SetTerm():
                support, items = self.terms(term.items if isinstance(term, ArrayTerm) else sorted_items(term))
                return support, replace(term, items=items)
            case ObjectTerm():
                support, flat = self.terms(each for pair in sorted_pairs(term) for each in pair)
                return support, replace(term, pairs=tuple(zip(flat[::2], flat[1::2], strict=True)))
            case ArrayComprehension() | SetComprehension():
                support, value = self.term(term.term)
                return [], replace(term, term=value, body=self.body(appended(term.body, support)))
            case ObjectComprehension():
                support, key = self.term(term.key)
                body = appended(term.body, support)
                support, value = self.term(term.value)
                return [], replace(term, key=key, value=value, body=self.body(appended(body, support)))
        return [], term

    def _ref(self, ref: Ref) -> tuple[list[Expr], Term]:
        support, (head, *path) = self.terms((ref.head, *ref.path))
        for before, after in zip((ref.head, *ref.path), (head, *path), strict=True):
            if isinstance(before, Call) and isinstance(after, Var):
                self._names.subjects[after.name] = before
        if isinstance(head, _EMPTY):
            name = self._names.new()
            self._names.subjects[name] = head
            support.append(equality(name, head))
            head = Var(name, head.place)
        return support, replace(ref, head=head, path=tuple(path))


def _with(support: list[Expr], with_: tuple[With, ...]) -> list[Expr]:
    return [replace(each, with_=with_) for each in support] if with_ else support


# ── what a comprehension or a head gives ──


def comprehension_terms(rule: Rule, names: LocalNames) -> Rule:
    """`[x.y | …]` becomes `[z | …; z = x.y]`."""
    return _ComprehensionTerms(names).rule(rule)


class _ComprehensionTerms(Rebuild):
    def __init__(self, names: LocalNames) -> None:
        self._names = names

    def term(self, term: Term) -> Term:
        new = self.term_inside(term)
        match new:
            case ArrayComprehension() | SetComprehension() if needs_evaluation(new.term):
                value, more = self._bound(new.term)
                return replace(new, term=value, body=appended(new.body, more))
            case ObjectComprehension():
                key, more = self._bound(new.key) if needs_evaluation(new.key) else (new.key, [])
                body = appended(new.body, more)
                value, more = self._bound(new.value) if needs_evaluation(new.value) else (new.value, [])
                return replace(new, key=key, value=value, body=appended(body, more))
        return new

    def _bound(self, term: Term) -> tuple[Term, list[Expr]]:
        name = self._names.new()
        return Var(name, term.place), [equality(name, term)]


def head_values(rule: Rule, names: LocalNames) -> Rule:
    """`p := x.y` becomes `p := z if z = x.y`."""
    body = rule.body

    def bound(term: Term | None) -> Term | None:
        nonlocal body
        if term is None or not needs_evaluation(term):
            return term
        name = names.new()
        body = appended(body, [equality(name, term)])
        return Var(name, term.place)

    key, value = bound(rule.head.key), bound(rule.head.value)
    args = None if rule.head.args is None else tuple(bound(arg) or arg for arg in rule.head.args)
    head = replace(rule.head, key=key, value=value, args=args)
    return replace(rule, head=head, body=body, else_=rule.else_ and head_values(rule.else_, names))


# ── equality ──


class Equals(Rebuild):
    """`==` is `=`, once it is known that everything has a value."""

    def expr(self, expr: Expr) -> Expr:
        new = self.expr_inside(expr)
        if is_call_of("equal", new.terms) and isinstance(new.terms, Call) and len(new.terms.args) == 2:
            operator = replace(new.terms.operator, head=Var("eq", new.terms.operator.head.place))
            return replace(new, terms=replace(new.terms, operator=operator))
        return new
