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
from authz_rego.syntax import tree

_EMPTY = (tree.ArrayTerm, tree.ObjectTerm, tree.SetTerm, *COMPREHENSIONS)


def equality(name: str, value: tree.Term, with_: tuple[tree.With, ...] = ()) -> tree.Expr:
    """`name = value`, as a stage adds it."""
    place = value.place
    operator = tree.Ref(tree.Var("eq", place), (), place)
    return tree.Expr(
        tree.Call(operator, (tree.Var(name, place), value), place), with_=with_, generated=True, place=place
    )


def appended(body: tree.Body, exprs: Iterable[tree.Expr]) -> tree.Body:
    """The body with more statements; a body that was only `true` is replaced."""
    exprs = tuple(exprs)
    if exprs and len(body) == 1 and isinstance(body[0].terms, tree.Scalar) and body[0].terms.value is True:
        return exprs
    return (*body, *exprs)


def needs_evaluation(term: tree.Term | None) -> bool:
    """Whether it has a reference or a comprehension in it."""
    return term is not None and contains(term, (tree.Ref, *COMPREHENSIONS))


def head_references(rule: tree.Rule, names: LocalNames) -> tree.Rule:
    """`p[a.b] := 1` becomes `p[x] := 1 if x = a.b`."""
    path, key, more = [], rule.head.key, []
    for index, term in enumerate(rule.head.ref.path):
        if isinstance(term, tree.Var | tree.Scalar):
            path.append(term)
            continue
        name = names.new()
        more.append(equality(name, term))
        path.append(tree.Var(name, term.place))
        if index == len(rule.head.ref.path) - 1 and key == term:
            key = path[-1]
    if not more:
        return rule
    head = replace(rule.head, ref=replace(rule.head.ref, path=tuple(path)), key=key)
    return replace(rule, head=head, body=appended(rule.body, more))


# ── calls out of terms ──


def expanded_rule(rule: tree.Rule, names: LocalNames) -> tree.Rule:
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

    def body(self, body: tree.Body) -> tree.Body:
        return tuple(new for expr in body for new in self.expr(expr))

    def expr(self, expr: tree.Expr) -> list[tree.Expr]:
        before: list[tree.Expr] = []
        withs: list[tree.With] = []
        for each in expr.with_:
            support, value = self.term(each.value)
            before += support
            withs.append(replace(each, value=value))
        return [*before, *self._statements(replace(expr, with_=tuple(withs)))]

    def _statements(self, expr: tree.Expr) -> list[tree.Expr]:
        """All of them have the one `with`, whose values are plain."""
        match expr.terms:
            case tree.Call():
                support, args = self.terms(expr.terms.args)
                return [*_with(support, expr.with_), replace(expr, terms=replace(expr.terms, args=args))]
            case tree.Every():
                every = expr.terms
                name = self._names.new()
                domain = self._statements(equality(name, every.domain, expr.with_))
                new = replace(every, domain=tree.Var(name, every.domain.place), body=self.body(every.body))
                return [*domain, replace(expr, terms=new)]
            case tree.Not():
                return [replace(expr, terms=replace(expr.terms, body=self.body(expr.terms.body)))]
            case tree.Logical():
                left, right = self.body(expr.terms.left), self.body(expr.terms.right)
                return [replace(expr, terms=replace(expr.terms, left=left, right=right))]
        support, term = self.term(expr.terms)  # type: ignore[arg-type]
        return [*_with(support, expr.with_), replace(expr, terms=term)]

    def terms(self, terms: Iterable[tree.Term]) -> tuple[list[tree.Expr], tuple[tree.Term, ...]]:
        support: list[tree.Expr] = []
        new: list[tree.Term] = []
        for each in terms:
            more, term = self.term(each)
            support += more
            new.append(term)
        return support, tuple(new)

    def term(self, term: tree.Term) -> tuple[list[tree.Expr], tree.Term]:  # noqa: PLR0911 - one line for each kind of term
        """The statements that go before, and what stands in the term's place then."""
        match term:
            case tree.Call():
                support, args = self.terms(term.args)
                output = tree.Var(self._names.new(), term.place)
                call = replace(term, args=(*args, output))
                return [*support, tree.Expr(call, generated=True, place=term.place)], output
            case tree.Ref():
                return self._ref(term)
            case tree.ArrayTerm() | tree.SetTerm():
                support, items = self.terms(term.items if isinstance(term, tree.ArrayTerm) else sorted_items(term))
                return support, replace(term, items=items)
            case tree.ObjectTerm():
                support, flat = self.terms(each for pair in sorted_pairs(term) for each in pair)
                return support, replace(term, pairs=tuple(zip(flat[::2], flat[1::2], strict=True)))
            case tree.ArrayComprehension() | tree.SetComprehension():
                support, value = self.term(term.term)
                return [], replace(term, term=value, body=self.body(appended(term.body, support)))
            case tree.ObjectComprehension():
                support, key = self.term(term.key)
                body = appended(term.body, support)
                support, value = self.term(term.value)
                return [], replace(term, key=key, value=value, body=self.body(appended(body, support)))
        return [], term

    def _ref(self, ref: tree.Ref) -> tuple[list[tree.Expr], tree.Term]:
        support, (head, *path) = self.terms((ref.head, *ref.path))
        for before, after in zip((ref.head, *ref.path), (head, *path), strict=True):
            if isinstance(before, tree.Call) and isinstance(after, tree.Var):
                self._names.subjects[after.name] = before
        if isinstance(head, _EMPTY):
            name = self._names.new()
            self._names.subjects[name] = head
            support.append(equality(name, head))
            head = tree.Var(name, head.place)
        return support, replace(ref, head=head, path=tuple(path))


def _with(support: list[tree.Expr], with_: tuple[tree.With, ...]) -> list[tree.Expr]:
    return [replace(each, with_=with_) for each in support] if with_ else support


# ── what a comprehension or a head gives ──


def comprehension_terms(rule: tree.Rule, names: LocalNames) -> tree.Rule:
    """`[x.y | …]` becomes `[z | …; z = x.y]`."""
    return _ComprehensionTerms(names).rule(rule)


class _ComprehensionTerms(Rebuild):
    def __init__(self, names: LocalNames) -> None:
        self._names = names
        self._withs: dict[int, tree.With] = {}  # by the identity of what they were: statements that were one share it

    def with_(self, each: tree.With) -> tree.With:
        if id(each) not in self._withs:
            self._withs[id(each)] = super().with_(each)
        return self._withs[id(each)]

    def term(self, term: tree.Term) -> tree.Term:
        new = self.term_inside(term)
        match new:
            case tree.ArrayComprehension() | tree.SetComprehension() if needs_evaluation(new.term):
                value, more = self._bound(new.term)
                return replace(new, term=value, body=appended(new.body, more))
            case tree.ObjectComprehension():
                key, more = self._bound(new.key) if needs_evaluation(new.key) else (new.key, [])
                body = appended(new.body, more)
                value, more = self._bound(new.value) if needs_evaluation(new.value) else (new.value, [])
                return replace(new, key=key, value=value, body=appended(body, more))
        return new

    def _bound(self, term: tree.Term) -> tuple[tree.Term, list[tree.Expr]]:
        name = self._names.new()
        return tree.Var(name, term.place), [equality(name, term)]


def head_values(rule: tree.Rule, names: LocalNames) -> tree.Rule:
    """`p := x.y` becomes `p := z if z = x.y`."""
    body = rule.body

    def bound(term: tree.Term | None) -> tree.Term | None:
        nonlocal body
        if term is None or not needs_evaluation(term):
            return term
        name = names.new()
        body = appended(body, [equality(name, term)])
        return tree.Var(name, term.place)

    key, value = bound(rule.head.key), bound(rule.head.value)
    args = None if rule.head.args is None else tuple(bound(arg) or arg for arg in rule.head.args)
    head = replace(rule.head, key=key, value=value, args=args)
    return replace(rule, head=head, body=body, else_=rule.else_ and head_values(rule.else_, names))


# ── equality ──


class Equals(Rebuild):
    """`==` is `=`, once it is known that everything has a value."""

    def expr(self, expr: tree.Expr) -> tree.Expr:
        new = self.expr_inside(expr)
        if is_call_of("equal", new.terms) and isinstance(new.terms, tree.Call) and len(new.terms.args) == 2:
            operator = replace(new.terms.operator, head=tree.Var("eq", new.terms.operator.head.place))
            return replace(new, terms=replace(new.terms, operator=operator))
        return new
