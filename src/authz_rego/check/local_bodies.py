"""Local names in bodies: what their statements declare, and whatever is declared. Not in a rule's head (`locals`)."""

from __future__ import annotations

from dataclasses import replace

from authz_rego.check.local_names import ARGUMENT, ASSIGNED, DECLARED, SEEN, Scopes
from authz_rego.check.names import declared_in, is_assignment, is_root
from authz_rego.check.outputs import outputs_of_equality
from authz_rego.check.rebuild import Rebuild
from authz_rego.check.walk import OUTPUTS, Skip, variables, variables_of
from authz_rego.errors import Place, RegoProblem
from authz_rego.syntax import tree
from authz_rego.syntax.shapes import kind_of

_COMPILE = "rego_compile_error"
_ABOVE = {
    SEEN: "var {} referenced above",
    ASSIGNED: "var {} assigned above",
    DECLARED: "var {} declared above",
    ARGUMENT: "arg {} redeclared",
}
_FIX_ABOVE = "call one of the two something else"
_IMPLICIT = {
    "not": "cannot assign vars inside negated expression",
    "and": "cannot assign vars inside 'and' operand",
    "or": "cannot assign vars inside 'or' operand",
}


class LocalBodies(Rebuild):
    """One body, and those inside of it."""

    def __init__(self, scopes: Scopes, problems: list[RegoProblem]) -> None:
        self._scopes = scopes
        self._problems = problems

    def _problem(self, place: Place, found: str, fix: str = "") -> None:
        self._problems.append(RegoProblem(_COMPILE, place, found, fix))

    # ── bodies ──

    def own_body(self, body: tree.Body, used: set[str]) -> tree.Body:
        """With a scope that is its own. What is `used` of it stands outside: in a head, before the `|`."""
        before = len(self._problems)
        new: list[tree.Expr] = []
        for expr in body:
            statement = self._statement(expr)
            if statement is not None:
                new.append(statement)
        if not new:
            new.append(tree.Expr(tree.Scalar(True), place=body[0].place if body else expr.place, generated=True))
        if len(self._problems) == before:
            self._report_unused(body, tuple(new), used)
        return tuple(new)

    def _report_unused(self, written: tree.Body, body: tree.Body, used: set[str]) -> None:
        """`some x` of which nothing more is said."""
        scope = self._scopes.scopes[-1]
        declared = {scope.names[name]: name for name, kind in scope.kinds.items() if kind == DECLARED}
        if not declared:
            return
        seen = variables_of(body) | {self._scopes.find(name) or name for name in used}
        for local in sorted(declared.keys() - seen - used):
            name = declared[local]
            if self._scopes.local_names.is_made(name):
                continue
            place = next((expr.place for expr in written if name in declared_in((expr,))), written[0].place)
            self._problem(place, f"declared var {name} unused", f"use `{name}`, or remove it")

    def _statement(self, expr: tree.Expr) -> tree.Expr | None:
        match expr.terms:
            case tree.SomeDecl():
                return self._some(expr, expr.terms)
            case tree.Every():
                return self._every(expr, expr.terms)
            case tree.Not():
                return self._not(expr, expr.terms)
            case tree.Logical():
                return self._logical(expr, expr.terms)
        return self._assignment(expr) if is_assignment(expr.terms) else self.expr(expr)

    # ── statements ──

    def _assignment(self, expr: tree.Expr) -> tree.Expr:
        call = expr.terms
        assert isinstance(call, tree.Call)
        if expr.negated:
            self._problem(expr.place, "cannot assign vars inside negated expression", "compare with `==`")
            return expr
        if len(call.args) != 2:
            return expr
        before = len(self._problems)
        right = self.term(call.args[1])
        withs = tuple(replace(each, value=self.term(each.value)) for each in expr.with_)
        left = self._assigned(call.args[0])
        if len(self._problems) > before:
            return expr
        operator = tree.Ref(tree.Var("eq", call.operator.place), (), call.operator.place)
        return replace(expr, terms=replace(call, operator=operator, args=(left, right)), with_=withs, assigned=True)

    def _assigned(self, term: tree.Term) -> tree.Term:
        match term:
            case tree.Var():
                local = self._declare(term.name, ASSIGNED, term.place)
                return tree.Var(local, term.place)
            case tree.ArrayTerm():
                return replace(term, items=tuple(map(self._assigned, term.items)))
            case tree.ObjectTerm():
                return replace(term, pairs=tuple((key, self._assigned(value)) for key, value in term.pairs))
            case tree.Ref() if is_root(term):
                assert isinstance(term.head, tree.Var)
                return tree.Var(self._declare(term.head.name, ASSIGNED, term.place), term.place)
        found = f"cannot assign to {kind_of(term)}"
        self._problem(term.place, found, "on the left of `:=` stand names, or arrays and objects of them")
        return term

    def _declare(self, name: str, kind: str, place: Place) -> str:
        before = self._scopes.kind_here(name)
        if before is not None:
            self._problem(place, _ABOVE[before].format(name), _FIX_ABOVE)
            return name
        local = self._scopes.local_names.new()
        self._scopes.insert(name, local, kind)
        return local

    def _some(self, expr: tree.Expr, some: tree.SomeDecl) -> tree.Expr | None:
        for symbol in some.symbols:
            if isinstance(symbol, tree.Call):
                return self._some_in(expr, some, symbol)
            if isinstance(symbol, tree.Var):
                before = len(self._problems)
                self._declare(symbol.name, DECLARED, some.place)
                if len(self._problems) > before:
                    return None
        return None

    def _some_in(self, expr: tree.Expr, some: tree.SomeDecl, call: tree.Call) -> tree.Expr | None:
        *first, value, container = call.args
        key = first[0] if first else tree.Var(self._scopes.local_names.new(), call.place)
        bound = variables(key, OUTPUTS) | variables(value, OUTPUTS)
        before = {name for name in bound & variables(container, Skip(closures=True)) if not name.startswith("$")}
        for name in sorted(before):
            self._problem(some.place, f"var {name} assigned before", "call one of the two something else")
        if before:
            return None
        if isinstance(container, tree.Ref):
            right = tree.Ref(container.head, (*container.path, key), container.place)
        else:
            right = tree.Ref(container, (key,), container.place)
        new = replace(
            expr, terms=tree.Call(tree.Ref(tree.Var("eq", call.place), (), call.place), (value, right), expr.place)
        )
        count = len(self._problems)
        for name in sorted(outputs_of_equality(new, variables(container))):
            self._declare(name, DECLARED, some.place)
            if len(self._problems) > count:
                return None
        return self.expr(new)

    def _every(self, expr: tree.Expr, every: tree.Every) -> tree.Expr | None:
        domain = self.term(every.domain)
        with self._scopes.inner():
            count = len(self._problems)
            key = self._quantified(every.key, expr.place)
            value = self._quantified(every.value, expr.place)
            if len(self._problems) > count:
                return None
            body = self.own_body(every.body, set())
            # As OPA does, the whole statement is gone through once more, with the names of its own scope.
            return self.expr(replace(expr, terms=replace(every, key=key, value=value, domain=domain, body=body)))

    def _quantified(self, var: tree.Var | None, place: Place) -> tree.Var:
        if var is None:
            return tree.Var(self._scopes.local_names.new(), place)
        return var if var.is_wildcard else tree.Var(self._declare(var.name, DECLARED, place), var.place)

    def _not(self, expr: tree.Expr, negated: tree.Not) -> tree.Expr:
        if not negated.explicit:
            count = len(self._problems)
            body = self._implicit(negated.body, "not")
            new = replace(expr, terms=replace(negated, body=body))
            return new if len(self._problems) > count else self.expr(new)
        with self._scopes.inner():
            return self.expr(replace(expr, terms=replace(negated, body=self.own_body(negated.body, set()))))

    def _logical(self, expr: tree.Expr, logical: tree.Logical) -> tree.Expr:
        count = len(self._problems)
        left = self._operand(logical.left, logical.operator, explicit=logical.left_explicit)
        right = self._operand(logical.right, logical.operator, explicit=logical.right_explicit)
        new = replace(expr, terms=replace(logical, left=left, right=right))
        return new if len(self._problems) > count else self.expr(new)

    def _operand(self, body: tree.Body, operator: str, *, explicit: bool) -> tree.Body:
        if not explicit:
            return self._implicit(body, operator)
        with self._scopes.inner():
            return self.own_body(body, set())

    def _implicit(self, body: tree.Body, operator: str) -> tree.Body:
        """Without braces there is nothing that could use what is assigned."""
        new: list[tree.Expr] = []
        for expr in body:
            if is_assignment(expr.terms):
                self._problem(expr.place, _IMPLICIT[operator], "put braces around the operand")
                new.append(expr)
            elif isinstance(expr.terms, tree.Not):
                new.append(self._not(expr, expr.terms))
            elif isinstance(expr.terms, tree.Logical):
                new.append(self._logical(expr, expr.terms))
            else:
                new.append(expr)
        return tuple(new)

    # ── expressions and terms: every name that is declared, and a note of those that are not ──

    def statement(self, terms: tree.Terms) -> tree.Terms:
        match terms:
            case tree.SomeDecl():
                return terms
            case tree.Call():  # a shadowed name is found out later, as an undefined function
                return self.term_inside(terms)
        return super().statement(terms)

    def with_(self, each: tree.With) -> tree.With:
        new = super().with_(each)
        target, shadow = new.target, self._scopes.find("input")
        if shadow is not None:  # `with input as …` means the document, also where a local has its name
            if isinstance(target, tree.Var) and target.name == shadow:
                target = tree.Ref(tree.Var("input", target.place), (), target.place)
            elif isinstance(target, tree.Ref) and isinstance(target.head, tree.Var) and target.head.name == shadow:
                target = replace(target, head=tree.Var("input", target.head.place))
        return replace(new, target=target)

    def term(self, term: tree.Term) -> tree.Term:
        match term:
            case tree.Ref() if is_root(term):
                return self._root(term)
            case tree.Call():
                return self._call(term)
            case tree.ArrayComprehension() | tree.SetComprehension():
                with self._scopes.inner():
                    body = self.own_body(term.body, variables(term.term))
                    return replace(term, body=body, term=self.term(term.term))
            case tree.ObjectComprehension():
                with self._scopes.inner():
                    body = self.own_body(term.body, variables(term.key) | variables(term.value))
                    return replace(term, body=body, key=self.term(term.key), value=self.term(term.value))
        return self.term_inside(term)

    def variable(self, var: tree.Var) -> tree.Var:
        local = self._scopes.find(var.name)
        if local is not None:
            return tree.Var(local, var.place)
        if self._scopes.kind_here(var.name) is None:
            self._scopes.insert(var.name, var.name, SEEN)
        return var

    def _root(self, ref: tree.Ref) -> tree.Term:
        """`input` or `data`, unless a local is called so."""
        assert isinstance(ref.head, tree.Var)
        kind = self._scopes.kind(ref.head.name)
        if kind is None or kind == SEEN:
            return ref
        return tree.Var(self._scopes.find(ref.head.name) or ref.head.name, ref.place)

    def _call(self, call: tree.Call) -> tree.Term:
        for name in sorted(variables(call.operator)):
            local = self._scopes.find(name)
            if local is not None and local != name:
                text = ".".join(
                    [name, *(str(each.value) for each in call.operator.path if isinstance(each, tree.Scalar))]
                )
                self._problem(call.place, f"called function {text} shadowed", f"call the variable `{name}` otherwise")
                return call
        return self.term_inside(call)

    def template(self, term: tree.TemplateString) -> tree.TemplateString:
        """Of a rule's head: each part has a scope of its own."""
        parts: list[tree.Scalar | tree.Expr] = []
        for part in term.parts:
            with self._scopes.inner():
                parts.append(self.expr(part) if isinstance(part, tree.Expr) else part)
        return replace(term, parts=tuple(parts))
