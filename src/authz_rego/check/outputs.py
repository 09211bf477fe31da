"""Which variables a statement gives a value to, once others have theirs. Not the order that follows (`safety`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from authz_rego.check.names import is_equality
from authz_rego.check.walk import (
    COMPREHENSIONS,
    OUTPUTS,
    SAFETY,
    Node,
    Skip,
    children,
    variables,
)
from authz_rego.syntax import tree

# Arguments that a function takes, by the reference that calls it; -1 when there is no such function.
Arity: TypeAlias = Callable[[tree.Ref], int]


def outputs_of_body(body: tree.Body, arity: Arity, safe: set[str]) -> set[str]:
    """What the statements give values to, in this order."""
    known = set(safe)
    for expr in body:
        known |= outputs_of(expr, arity, known)
    return known - safe


def outputs_of(expr: tree.Expr, arity: Arity, safe: set[str], before: set[str] | None = None) -> set[str]:
    """What the statement gives values to when `safe` have theirs.

    OPA gathers outputs in one set for all statements of a body that it orders. It empties it for a call and an
    equality, but not for an `every`, which so has the outputs of the call before it as well. Where that can be seen,
    `before` is this set; it is changed.
    """
    if expr.negated or any(variables(each, SAFETY) - safe for each in expr.with_):
        return set()
    gathered = set() if before is None else before
    match expr.terms:
        case tree.Call() if is_equality(expr.terms):
            gathered.clear()
            return outputs_of_equality(expr, safe)
        case tree.Call():
            taken = arity(expr.terms.operator)
            return set() if taken < 0 else _outputs_of_call(expr.terms, taken, safe, gathered)
        case tree.Every():
            gathered |= _outputs_of_terms(expr.terms.domain, safe)
            return set(gathered)
        case tree.Not() | tree.Logical() | tree.TemplateString():
            return set()
    return _outputs_of_terms(expr, safe)


def outputs_of_equality(expr: tree.Expr, safe: set[str]) -> set[str]:
    """Of `x = y`."""
    call = expr.terms
    assert isinstance(call, tree.Call)
    if len(call.args) != 2:
        return set(safe)
    known = _outputs_of_terms(expr, safe) | safe
    if expr.assigned:  # what is assigned gets its value here, and gives none to the other side
        known -= variables(call.args[0])
    unifier = _Unifier(known)
    unifier.unify(*call.args)
    return (known | unifier.unified) - safe


def _outputs_of_call(call: tree.Call, taken: int, safe: set[str], gathered: set[str]) -> set[str]:
    skip = Skip(ref_heads=True, object_keys=True, closures=True, sets=True)
    gathered.clear()
    gathered |= _outputs_of_terms(call, safe)
    if taken >= len(call.args):
        return set(gathered)
    needed: set[str] = set(variables(call.operator, skip))
    hidden: set[str] = set()  # in members of sets and keys of objects, where OPA does not look: it cannot answer then
    for arg in call.args[:taken]:
        needed |= variables(arg, skip)
        hidden |= variables(arg, Skip(ref_heads=True, closures=True))
    if needed - gathered - safe:
        return set()
    for arg in call.args[taken:]:
        gathered |= variables(arg, skip) - hidden
    return set(gathered)


def _outputs_of_terms(node: Node, safe: set[str]) -> set[str]:
    """Variables that references run through, where what they look into is known."""
    found: set[str] = set()
    _references(node, safe, found)
    return found


def _references(node: Node, safe: set[str], found: set[str]) -> None:
    if isinstance(node, (*COMPREHENSIONS, tree.TemplateString)):
        return
    if isinstance(node, tree.Ref):
        if not is_known(node.head, safe):
            return
        for each in node.path:
            found |= variables(each, Skip(ref_heads=True))
    for child in children(node):
        _references(child, safe, found)


def is_known(term: tree.Term, safe: set[str]) -> bool:
    """Whether the head of a reference has a value."""
    return term.name in safe if isinstance(term, tree.Var) else not variables(term, SAFETY) - safe


class _Unifier:
    """The variables that become known when two terms are unified."""

    def __init__(self, safe: set[str]) -> None:
        self._safe = safe
        self.unified: set[str] = set()
        self._waiting: dict[str, set[str]] = {}

    def _is_known(self, name: str) -> bool:
        return name in self._safe or name in self.unified

    def unify(self, one: tree.Term, other: tree.Term) -> None:  # noqa: C901 - one line for each kind of term
        match one:
            case tree.Var():
                self._variable(one, other)
            case tree.Ref() | tree.Call():
                if self._is_evaluable(one):
                    self._mark_pattern(other)
            case tree.ArrayComprehension() if isinstance(other, tree.Var | tree.ArrayTerm):
                self._mark_pattern(other)
            case tree.ObjectComprehension() if isinstance(other, tree.Var | tree.ObjectTerm):
                self._mark_pattern(other)
            case tree.SetComprehension() if isinstance(other, tree.Var):
                self._mark(other.name)
            case tree.ArrayComprehension() | tree.ObjectComprehension() | tree.SetComprehension():
                return
            case tree.ArrayTerm():
                self._array(one, other)
            case tree.ObjectTerm():
                self._object(one, other)
            case _ if isinstance(other, tree.Var):
                self._mark(other.name)

    def _is_evaluable(self, term: tree.Term) -> bool:
        if isinstance(term, tree.Ref):
            return is_known(term.head, self._safe)
        return not variables(term, SAFETY) - self._safe

    def _variable(self, var: tree.Var, other: tree.Term) -> None:
        match other:
            case tree.Var():
                if self._is_known(other.name):
                    self._mark(var.name)
                elif self._is_known(var.name):
                    self._mark(other.name)
                else:
                    self._wait(var.name, other.name)
                    self._wait(other.name, var.name)
            case tree.ArrayTerm() | tree.ObjectTerm():
                self._all(var.name, other)
            case tree.Ref() | tree.Call():
                if self._is_evaluable(other):
                    self._mark(var.name)
            case _:
                self._mark(var.name)

    def _array(self, array: tree.ArrayTerm, other: tree.Term) -> None:
        match other:
            case tree.Var():
                self._all(other.name, array)
            case tree.ArrayComprehension() | tree.ObjectComprehension() | tree.SetComprehension():
                self._mark_all(array)
            case tree.Ref() | tree.Call():
                if self._is_evaluable(other):
                    self._mark_all(array)
            case tree.ArrayTerm() if len(array.items) == len(other.items):
                for left, right in zip(array.items, other.items, strict=True):
                    self.unify(left, right)

    def _object(self, term: tree.ObjectTerm, other: tree.Term) -> None:
        match other:
            case tree.Var():
                self._all(other.name, term)
            case tree.Ref() | tree.Call():
                if self._is_evaluable(other):
                    self._mark_all(term)
            case tree.ObjectTerm() if len(term.pairs) == len(other.pairs):
                for key, value in term.pairs:
                    same = next((right for name, right in other.pairs if name == key), None)
                    if same is not None:
                        self.unify(value, same)

    def _mark_pattern(self, other: tree.Term) -> None:
        if isinstance(other, tree.Var):
            self._mark(other.name)
        elif isinstance(other, tree.ArrayTerm | tree.ObjectTerm):
            self._mark_all(other)

    def _mark_all(self, term: tree.Term) -> None:
        for name in variables(term, OUTPUTS):
            self._mark(name)

    def _all(self, name: str, pattern: tree.Term) -> None:
        if self._is_known(name):
            self._mark_all(pattern)
            return
        unknown = variables(pattern, OUTPUTS) - self._safe - self.unified
        if not unknown:
            self._mark(name)
        for each in unknown:
            self._wait(name, each)

    def _wait(self, name: str, on: str) -> None:
        self._waiting.setdefault(name, set()).add(on)

    def _mark(self, name: str) -> None:
        self.unified.add(name)
        for each in self._waiting.pop(name, ()):
            self._mark(each)
        for each, others in list(self._waiting.items()):
            if name in others and each in self._waiting:
                others.discard(name)
                if not others:
                    self._mark(each)


def implicit_body_needs(body: tree.Body, arity: Arity) -> set[str]:
    """Variables of an operand without braces (of `not`, `and`, `or`) that must have their values outside of it."""
    where: dict[str, int] = {}
    for expr in body:
        for name in variables(expr, SAFETY):
            where[name] = where.get(name, 0) + 1
    if len(body) == 1:
        return set(where)
    bound = _bound_by_equalities(body, where) | _bound_by_calls(body, arity)
    return {name for name, times in where.items() if name not in bound or times == 1}


def _bound_by_equalities(body: tree.Body, names: Iterable[str]) -> set[str]:
    safe = {"data", "input", *names}
    equalities = [expr for expr in body if is_equality(expr.terms)]
    for expr in equalities:
        assert isinstance(expr.terms, tree.Call)
        safe -= {side.name for side in expr.terms.args[:2] if isinstance(side, tree.Var)}
    bound: set[str] = set()
    while True:
        new = {name for expr in equalities for name in outputs_of_equality(expr, safe)} - bound
        if not new:
            return bound
        bound |= new
        safe |= new


def _bound_by_calls(body: tree.Body, arity: Arity) -> set[str]:
    skip = Skip(ref_heads=True, object_keys=True, closures=True, sets=True)
    bound: set[str] = set()
    for expr in body:
        if isinstance(expr.terms, tree.Call) and not is_equality(expr.terms):
            taken = arity(expr.terms.operator)
            for arg in expr.terms.args[taken:] if taken >= 0 else ():
                bound |= variables(arg, skip)
    return bound


def safety_skip(arity: Arity) -> Skip:
    """As `SAFETY`, with what operands without braces need from outside."""

    def instead(node: Node) -> set[str] | None:
        match node:
            case tree.Not():
                return set() if node.explicit else implicit_body_needs(node.body, arity)
            case tree.Logical():
                left = set() if node.left_explicit else implicit_body_needs(node.left, arity)
                return left | (set() if node.right_explicit else implicit_body_needs(node.right, arity))
        return None

    return SAFETY._replace(instead=instead)
