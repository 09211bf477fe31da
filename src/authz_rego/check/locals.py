"""Local variables get names of their own: `x := 1` becomes `__local0__ = 1`, and `some`, `:=` and shadowing are gone.

Follows OPA's rewriting step by step, also in what it calls declared, seen and unused. Not whether they are safe.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from authz_rego.check.names import declared_by, declared_in, is_assignment, is_root
from authz_rego.check.outputs import outputs_of_equality
from authz_rego.check.rebuild import Rebuild
from authz_rego.check.walk import COMPREHENSIONS, OUTPUTS, Skip, variables, variables_of, walk
from authz_rego.errors import Place, RegoProblem
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

SEEN, ASSIGNED, DECLARED, ARGUMENT = "seen", "assigned", "declared", "argument"
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


class LocalNames:
    """Makes `__local0__`, `__local1__` …, and remembers what each stands for."""

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = set(taken)
        self._next = 0
        self._made: set[str] = set()
        self.written: dict[str, str] = {}  # the name that the user wrote, by the local's
        self.subjects: dict[str, Term] = {}  # the term that the local stands for, by the local's name

    def new(self) -> str:
        while True:
            name = f"__local{self._next}__"
            self._next += 1
            if name not in self._taken:
                self._made.add(name)
                return name

    def is_made(self, name: str) -> bool:
        """Whether it is a local's name: nothing that a user would know."""
        return name in self._made

    def shown(self, name: str) -> str:
        """As the user wrote it."""
        found = self.written.get(name, name)
        return "_" if found.startswith("$") else found


@dataclass(slots=True)
class _Scope:
    names: dict[str, str] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)


class _Scopes:
    """Which names are declared where we stand, the innermost last."""

    def __init__(self, names: LocalNames) -> None:
        self.local_names = names
        self.scopes = [_Scope()]

    def copy(self) -> _Scopes:
        new = _Scopes(self.local_names)
        new.scopes = [_Scope(dict(self.scopes[0].names), dict(self.scopes[0].kinds))]
        return new

    def push(self) -> None:
        self.scopes.append(_Scope())

    def pop(self) -> None:
        self.scopes.pop()

    def find(self, name: str) -> str | None:
        return next((scope.names[name] for scope in reversed(self.scopes) if name in scope.names), None)

    def kind_here(self, name: str) -> str | None:
        return self.scopes[-1].kinds.get(name)

    def kind(self, name: str) -> str | None:
        return next((scope.kinds[name] for scope in reversed(self.scopes) if name in scope.kinds), None)

    def insert(self, name: str, local: str, kind: str) -> None:
        self.scopes[-1].names[name] = local
        self.scopes[-1].kinds[name] = kind
        if name != local:
            self.local_names.written[local] = name


def rewrite_rule(rule: Rule, names: LocalNames, builtins: Mapping[str, object]) -> tuple[Rule, list[RegoProblem]]:
    """The rule with local names, its else-branches too."""
    problems: list[RegoProblem] = []
    arguments = _Scopes(names)
    branches: list[Rule] = []
    branch: Rule | None = rule
    first_args: tuple[Term, ...] | None = rule.head.args and _arguments(rule.head.args, arguments, problems)
    while branch is not None:
        args = first_args if branch is rule else branch.head.args and _arguments(branch.head.args, arguments, problems)
        branches.append(_branch(replace(branch, head=replace(branch.head, args=args)), arguments, builtins, problems))
        branch = branch.else_
    new: Rule | None = None
    for each in reversed(branches):
        new = replace(each, else_=new)
    assert new is not None
    return new, problems


def _arguments(args: tuple[Term, ...], scopes: _Scopes, problems: list[RegoProblem]) -> tuple[Term, ...]:
    """The patterns that a function's arguments are."""

    def pattern(term: Term) -> Term:
        match term:
            case Var():
                local = scopes.find(term.name)
                if local is None:
                    local = scopes.local_names.new()
                    scopes.insert(term.name, local, ARGUMENT)
                return Var(local, term.place)
            case ObjectTerm():
                return replace(term, pairs=tuple((key, pattern(value)) for key, value in term.pairs))
            case ArrayTerm():
                return replace(term, items=tuple(map(pattern, term.items)))
            case Ref():
                return replace(term, head=pattern(term.head), path=tuple(map(pattern, term.path)))
            case Call():
                found = "rule arguments cannot contain calls"
                problems.append(RegoProblem(_COMPILE, term.place, found, "call it in the body"))
        return term

    return tuple(map(pattern, args))


def _branch(rule: Rule, arguments: _Scopes, builtins: Mapping[str, object], problems: list[RegoProblem]) -> Rule:
    names = arguments.local_names
    head = _nested_in_head(rule.head, names, problems)
    used: set[str] = set()
    for term in (*head.ref.path, head.key, head.value):
        if term is not None:
            used |= variables(term)
    scopes = arguments.copy()
    _shadowed_builtins(rule, scopes, builtins)
    rewriter = _Rewriter(scopes, problems)
    body = rewriter.body(rule.body, used)
    declared = scopes.scopes[-1].names
    return replace(rule, head=_renamed_head(head, declared), body=body)


def _shadowed_builtins(rule: Rule, scopes: _Scopes, builtins: Mapping[str, object]) -> None:
    """A variable that is called like a builtin must not be taken for it later."""
    mocked: set[str] = set()
    for node in walk(rule):
        if isinstance(node, With):
            mocked |= variables(node.target, Skip(call_heads=True)) | variables(node.value, Skip(call_heads=True))
    declared = declared_in(rule.body)
    for name in sorted(variables_of(rule.body, Skip(call_heads=True, closures=True))):
        if name in builtins and name not in declared and name not in mocked and scopes.find(name) is None:
            scopes.insert(name, scopes.local_names.new(), SEEN)


def _nested_in_head(head: Head, names: LocalNames, problems: list[RegoProblem]) -> Head:
    """Comprehensions and templates of the head have scopes of their own, which come first."""

    def term(node: Term) -> Term:  # noqa: PLR0911 - one line for each kind of term
        match node:
            case ArrayComprehension() | SetComprehension() | ObjectComprehension():
                return _Rewriter(_Scopes(names), problems).comprehension(node)
            case TemplateString():
                return _Rewriter(_Scopes(names), problems).template(node)
            case ArrayTerm() | SetTerm():
                return replace(node, items=tuple(map(term, node.items)))
            case ObjectTerm():
                return replace(node, pairs=tuple((term(key), term(value)) for key, value in node.pairs))
            case Ref():
                return replace(node, head=term(node.head), path=tuple(map(term, node.path)))
            case Call():
                return replace(node, args=tuple(map(term, node.args)))
        return node

    return _with_terms(head, term)


def _with_terms(head: Head, term: Callable[[Term], Term]) -> Head:
    ref = replace(head.ref, path=tuple(map(term, head.ref.path)))
    args = head.args and tuple(map(term, head.args))
    return replace(head, ref=ref, args=args, key=head.key and term(head.key), value=head.value and term(head.value))


def _renamed_head(head: Head, declared: Mapping[str, str]) -> Head:
    return _with_terms(head, lambda term: renamed(term, declared))


def renamed(node: Term, names: Mapping[str, str]) -> Term:
    """The term with other names of variables, everywhere in it."""
    return _Renamer(names).term(node)


class _Renamer(Rebuild):
    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names

    def variable(self, var: Var) -> Var:
        return Var(self._names.get(var.name, var.name), var.place)


class _Rewriter:
    """One body, and those inside of it."""

    def __init__(self, scopes: _Scopes, problems: list[RegoProblem]) -> None:
        self._scopes = scopes
        self._problems = problems
        self._unused = 0

    def _problem(self, place: Place, found: str, fix: str = "") -> None:
        self._problems.append(RegoProblem(_COMPILE, place, found, fix))

    # ── bodies ──

    def body(self, body: Body, used: set[str]) -> Body:
        before = len(self._problems)
        new: list[Expr] = []
        for expr in body:
            statement = self._statement(expr)
            if statement is not None:
                new.append(statement)
        if not new:
            new.append(Expr(Scalar(True), place=body[0].place if body else expr.place, generated=True))
        if len(self._problems) == before:
            self._report_unused(body, tuple(new), used)
        return tuple(new)

    def _report_unused(self, written: Body, body: Body, used: set[str]) -> None:
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
            place = next((expr.place for expr in written if name in _declared_by(expr)), written[0].place)
            self._problem(place, f"declared var {name} unused", f"use `{name}`, or remove it")

    def _statement(self, expr: Expr) -> Expr | None:
        match expr.terms:
            case SomeDecl():
                return self._some(expr, expr.terms)
            case Every():
                return self._every(expr, expr.terms)
            case Not():
                return self._not(expr, expr.terms)
            case Logical():
                return self._logical(expr, expr.terms)
        return self._assignment(expr) if is_assignment(expr.terms) else self.expr(expr)

    # ── statements ──

    def _assignment(self, expr: Expr) -> Expr:
        call = expr.terms
        assert isinstance(call, Call)
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
        operator = Ref(Var("eq", call.operator.place), (), call.operator.place)
        return replace(expr, terms=replace(call, operator=operator, args=(left, right)), with_=withs, assigned=True)

    def _assigned(self, term: Term) -> Term:
        match term:
            case Var():
                local = self._declare(term.name, ASSIGNED, term.place)
                return Var(local, term.place)
            case ArrayTerm():
                return replace(term, items=tuple(map(self._assigned, term.items)))
            case ObjectTerm():
                return replace(term, pairs=tuple((key, self._assigned(value)) for key, value in term.pairs))
            case Ref() if is_root(term):
                assert isinstance(term.head, Var)
                return Var(self._declare(term.head.name, ASSIGNED, term.place), term.place)
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

    def _some(self, expr: Expr, some: SomeDecl) -> Expr | None:
        for symbol in some.symbols:
            if isinstance(symbol, Call):
                return self._some_in(expr, some, symbol)
            if isinstance(symbol, Var):
                before = len(self._problems)
                self._declare(symbol.name, DECLARED, some.place)
                if len(self._problems) > before:
                    return None
        return None

    def _some_in(self, expr: Expr, some: SomeDecl, call: Call) -> Expr | None:
        *first, value, container = call.args
        key = first[0] if first else Var(self._scopes.local_names.new(), call.place)
        bound = variables(key, OUTPUTS) | variables(value, OUTPUTS)
        before = {name for name in bound & variables(container, Skip(closures=True)) if not name.startswith("$")}
        for name in sorted(before):
            self._problem(some.place, f"var {name} assigned before", "call one of the two something else")
        if before:
            return None
        if isinstance(container, Ref):
            right = Ref(container.head, (*container.path, key), container.place)
        else:
            right = Ref(container, (key,), container.place)
        new = replace(expr, terms=Call(Ref(Var("eq", call.place), (), call.place), (value, right), expr.place))
        count = len(self._problems)
        for name in sorted(outputs_of_equality(new, variables(container))):
            self._declare(name, DECLARED, some.place)
            if len(self._problems) > count:
                return None
        return self.expr(new)

    def _every(self, expr: Expr, every: Every) -> Expr | None:
        domain = self.term(every.domain)
        self._scopes.push()
        try:
            count = len(self._problems)
            key = self._quantified(every.key, expr.place)
            value = self._quantified(every.value, expr.place)
            if len(self._problems) > count:
                return None
            body = self.body(every.body, set())
            # As OPA does, the whole statement is gone through once more, with the names of its own scope.
            return self._again(replace(expr, terms=replace(every, key=key, value=value, domain=domain, body=body)))
        finally:
            self._scopes.pop()

    def _quantified(self, var: Var | None, place: Place) -> Var:
        if var is None:
            return Var(self._scopes.local_names.new(), place)
        return var if var.is_wildcard else Var(self._declare(var.name, DECLARED, place), var.place)

    def _not(self, expr: Expr, negated: Not) -> Expr:
        if not negated.explicit:
            count = len(self._problems)
            body = self._implicit(negated.body, "not")
            new = replace(expr, terms=replace(negated, body=body))
            return new if len(self._problems) > count else self._again(new)
        self._scopes.push()
        try:
            return self._again(replace(expr, terms=replace(negated, body=self.body(negated.body, set()))))
        finally:
            self._scopes.pop()

    def _logical(self, expr: Expr, logical: Logical) -> Expr:
        count = len(self._problems)
        left = self._operand(logical.left, logical.operator, explicit=logical.left_explicit)
        right = self._operand(logical.right, logical.operator, explicit=logical.right_explicit)
        new = replace(expr, terms=replace(logical, left=left, right=right))
        return new if len(self._problems) > count else self._again(new)

    def _operand(self, body: Body, operator: str, *, explicit: bool) -> Body:
        if not explicit:
            return self._implicit(body, operator)
        self._scopes.push()
        try:
            return self.body(body, set())
        finally:
            self._scopes.pop()

    def _implicit(self, body: Body, operator: str) -> Body:
        """Without braces there is nothing that could use what is assigned."""
        new: list[Expr] = []
        for expr in body:
            if is_assignment(expr.terms):
                self._problem(expr.place, _IMPLICIT[operator], "put braces around the operand")
                new.append(expr)
            elif isinstance(expr.terms, Not):
                new.append(self._not(expr, expr.terms))
            elif isinstance(expr.terms, Logical):
                new.append(self._logical(expr, expr.terms))
            else:
                new.append(expr)
        return tuple(new)

    def _again(self, expr: Expr) -> Expr:
        return self.expr(expr)

    # ── expressions and terms ──

    def expr(self, expr: Expr) -> Expr:
        """Every name in it that is declared, and a note of those that are not."""
        terms = self._terms(expr.terms)
        return replace(expr, terms=terms, with_=tuple(map(self._with, expr.with_)))

    def _terms(self, terms: Term | SomeDecl | Every | Not | Logical) -> Term | SomeDecl | Every | Not | Logical:
        match terms:
            case SomeDecl():
                return terms
            case Every():
                key, value = terms.key and self.term(terms.key), self.term(terms.value)
                assert isinstance(value, Var)
                assert key is None or isinstance(key, Var)
                domain = self.term(terms.domain)
                return replace(terms, key=key, value=value, domain=domain, body=tuple(map(self.expr, terms.body)))
            case Not():
                return replace(terms, body=tuple(map(self.expr, terms.body)))
            case Logical():
                left = tuple(map(self.expr, terms.left))
                return replace(terms, left=left, right=tuple(map(self.expr, terms.right)))
            case Call():  # of a statement: a shadowed name is found out later, as an undefined function
                return replace(terms, operator=self._ref(terms.operator), args=tuple(map(self.term, terms.args)))
        return self.term(terms)

    def _with(self, each: With) -> With:
        target = self.term(each.target)
        shadow = self._scopes.find("input")
        if shadow is not None:  # `with input as …` means the document, also where a local has its name
            if isinstance(target, Var) and target.name == shadow:
                target = Ref(Var("input", target.place), (), target.place)
            elif isinstance(target, Ref) and isinstance(target.head, Var) and target.head.name == shadow:
                target = replace(target, head=Var("input", target.head.place))
        return replace(each, target=target, value=self.term(each.value))

    def term(self, term: Term) -> Term:  # noqa: PLR0911 - one line for each kind of term
        match term:
            case Var():
                return self._var(term)
            case Ref() if is_root(term):
                return self._root(term)
            case Ref():
                return self._ref(term)
            case Call():
                return self._call(term)
            case ArrayTerm() | SetTerm():
                return replace(term, items=tuple(map(self.term, term.items)))
            case ObjectTerm():
                return replace(term, pairs=tuple((self.term(key), self.term(value)) for key, value in term.pairs))
            case TemplateString():
                parts = tuple(self.expr(part) if isinstance(part, Expr) else part for part in term.parts)
                return replace(term, parts=parts)
        return self.comprehension(term) if isinstance(term, COMPREHENSIONS) else term

    def _var(self, var: Var) -> Var:
        local = self._scopes.find(var.name)
        if local is not None:
            return Var(local, var.place)
        if self._scopes.kind_here(var.name) is None:
            self._scopes.insert(var.name, var.name, SEEN)
        return var

    def _root(self, ref: Ref) -> Term:
        """`input` or `data`, unless a local is called so."""
        assert isinstance(ref.head, Var)
        kind = self._scopes.kind(ref.head.name)
        if kind is None or kind == SEEN:
            return ref
        return Var(self._scopes.find(ref.head.name) or ref.head.name, ref.place)

    def _ref(self, ref: Ref) -> Ref:
        return replace(ref, head=self.term(ref.head), path=tuple(map(self.term, ref.path)))

    def _call(self, call: Call) -> Call:
        for name in sorted(variables(call.operator)):
            local = self._scopes.find(name)
            if local is not None and local != name:
                text = ".".join([name, *(str(each.value) for each in call.operator.path if isinstance(each, Scalar))])
                self._problem(call.place, f"called function {text} shadowed", f"call the variable `{name}` otherwise")
                return call
        return replace(call, operator=self._ref(call.operator), args=tuple(map(self.term, call.args)))

    def comprehension(self, term: Term) -> Term:
        self._scopes.push()
        try:
            match term:
                case ArrayComprehension() | SetComprehension():
                    body = self.body(term.body, variables(term.term))
                    return replace(term, body=body, term=self.term(term.term))
                case ObjectComprehension():
                    body = self.body(term.body, variables(term.key) | variables(term.value))
                    return replace(term, body=body, key=self.term(term.key), value=self.term(term.value))
            return term
        finally:
            self._scopes.pop()

    def template(self, term: TemplateString) -> TemplateString:
        """Of a rule's head: each part has a scope of its own."""
        parts: list[Scalar | Expr] = []
        for part in term.parts:
            self._scopes.push()
            parts.append(self.expr(part) if isinstance(part, Expr) else part)
            self._scopes.pop()
        return replace(term, parts=tuple(parts))


def _declared_by(expr: Expr) -> set[str]:
    found: set[str] = set()
    declared_by(expr, found)
    return found


_KINDS = {
    Var: "var",
    Ref: "ref",
    ArrayTerm: "array",
    ObjectTerm: "object",
    SetTerm: "set",
    Call: "call",
    ArrayComprehension: "arraycomprehension",
    SetComprehension: "setcomprehension",
    ObjectComprehension: "objectcomprehension",
    TemplateString: "templatestring",
}


def kind_of(term: Term) -> str:
    """OPA's name for a kind of term."""
    if isinstance(term, Scalar):
        if term.value is None:
            return "null"
        return {bool: "boolean", str: "string"}.get(type(term.value), "number")
    return _KINDS[type(term)]
