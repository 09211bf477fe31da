"""The order in which the statements of a body can be evaluated, and variables that never get a value (OPA: unsafe)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from authz_rego.check.local_names import LocalNames
from authz_rego.check.outputs import Arity, outputs_of, outputs_of_body, safety_skip
from authz_rego.check.term_order import statement_order
from authz_rego.check.walk import outermost_closures, variables, variables_of
from authz_rego.errors import Place, RegoProblem
from authz_rego.syntax import tree

ROOTS = frozenset({"data", "input"})
_Needs: TypeAlias = tuple[tree.Expr, set[str]]


class Unsafe:
    """What has no value, by the statement that needs it."""

    def __init__(self) -> None:
        self._found: list[_Needs] = []
        # What OPA forgets: a statement's needs, where one of its closures had to wait. Its later stages may refuse.
        self.forgotten: list[_Needs] = []

    def names(self, expr: tree.Expr) -> set[str]:
        for known, found in self._found:
            if known is expr:
                return found
        new: set[str] = set()
        self._found.append((expr, new))
        return new

    def replace(self, expr: tree.Expr, names: set[str]) -> None:
        self.remove(expr)
        self._found.append((expr, names))

    def remove(self, expr: tree.Expr) -> None:
        self._found = [each for each in self._found if each[0] is not expr]

    def update(self, other: Unsafe) -> None:
        for expr, names in other.pairs():
            self.names(expr).update(names)
        self.forgotten += other.forgotten

    def pairs(self) -> list[_Needs]:
        return [(expr, names) for expr, names in self._found if names]


class _Order:
    """Of one body, and then of those inside of it."""

    def __init__(self, arity: Arity) -> None:
        self._arity = arity
        self._skip = safety_skip(arity)

    def reordered(self, body: tree.Body, known: set[str]) -> tuple[tree.Body, Unsafe]:
        """Left to right each statement finds its values, if nothing is unsafe."""
        names = variables_of(body, self._skip)
        safe = names & known
        unsafe = Unsafe()
        for expr in body:
            unsafe.names(expr).update(variables(expr, self._skip) - safe)
        done = self._ordered(body, known, names, safe, unsafe)
        return self._inside(done, known, unsafe), unsafe

    def _ordered(
        self, body: tree.Body, known: set[str], names: set[str], safe: set[str], unsafe: Unsafe
    ) -> list[tree.Expr]:
        done: list[tree.Expr] = []
        left = list(enumerate(body))
        gathered: set[str] = set()
        while True:
            waiting: list[tuple[int, tree.Expr]] = []
            for place, expr in left:
                if _is_taken_for_done(expr, place, done):
                    waiting.append((place, expr))
                    continue
                outputs = outputs_of(expr, self._arity, safe, gathered)
                if self._can_stand(expr, outputs, done=done, known=known, names=names, safe=safe, unsafe=unsafe):
                    done.append(expr)
                else:
                    waiting.append((place, expr))
            if len(waiting) == len(left):
                return done
            left = waiting

    def _can_stand(  # noqa: PLR0913 - all that is known about one statement
        self,
        expr: tree.Expr,
        outputs: set[str],
        *,
        done: list[tree.Expr],
        known: set[str],
        names: set[str],
        safe: set[str],
        unsafe: Unsafe,
    ) -> bool:
        closed = (_variables_in_closures(expr) & names) - known
        if closed:
            missing = closed - outputs_of_body(tuple(done), self._arity, safe)
            if missing:
                if missing == outputs:
                    return False
                unsafe.replace(expr, missing)
        lacks = unsafe.names(expr)
        lacks -= outputs | safe
        if lacks:
            return False
        forgotten = variables(expr, self._skip) - outputs - safe
        if forgotten:
            unsafe.forgotten.append((expr, forgotten))
        unsafe.remove(expr)
        safe |= outputs
        return True

    def _inside(self, body: list[tree.Expr], known: set[str], unsafe: Unsafe) -> tree.Body:
        """The bodies inside, which know what stands before them."""
        known = set(known)
        new: list[tree.Expr] = []
        for index, expr in enumerate(body):
            if index > 0:
                known |= variables(body[index - 1], self._skip)
            new.append(_Inside(self, expr, known, unsafe).expr())
        return tuple(new)


class _Inside:
    """The closures of one statement."""

    def __init__(self, order: _Order, expr: tree.Expr, known: set[str], unsafe: Unsafe) -> None:
        self._order, self._expr, self._known, self._unsafe = order, expr, known, unsafe

    def expr(self) -> tree.Expr:
        return self._statement(self._expr)

    def _statement(self, expr: tree.Expr) -> tree.Expr:
        terms = expr.terms
        match terms:
            case tree.Every():
                self._known |= variables(terms.value) | (variables(terms.key) if terms.key else set())
                return replace(expr, terms=replace(terms, body=self._body(set(), terms.body)))
            case tree.Not():
                return replace(expr, terms=replace(terms, body=self._body(set(), terms.body)))
            case tree.Logical():
                left, right = self._body(set(), terms.left), self._body(set(), terms.right)
                return replace(expr, terms=replace(terms, left=left, right=right))
        withs = tuple(replace(each, value=self._term(each.value)) for each in expr.with_)
        return replace(expr, terms=self._term(terms), with_=withs)  # type: ignore[arg-type]

    def _term(self, term: tree.Term) -> tree.Term:  # noqa: PLR0911 - one line for each kind of term
        match term:
            case tree.ArrayTerm() | tree.SetTerm():
                return replace(term, items=tuple(map(self._term, term.items)))
            case tree.ObjectTerm():
                return replace(term, pairs=tuple((self._term(key), self._term(value)) for key, value in term.pairs))
            case tree.Ref():
                return replace(term, head=self._term(term.head), path=tuple(map(self._term, term.path)))
            case tree.Call():
                return replace(term, args=tuple(map(self._term, term.args)))
            case tree.ArrayComprehension() | tree.SetComprehension():
                return replace(term, body=self._body(variables(term.term), term.body))
            case tree.ObjectComprehension():
                needed = variables(term.key) | variables(term.value)
                return replace(term, body=self._body(needed, term.body))
        return term

    def _body(self, needed: set[str], body: tree.Body) -> tree.Body:
        missing = needed - variables_of(body, self._order._skip) - self._known  # noqa: SLF001 - one mechanism
        if missing:
            self._unsafe.names(self._expr).update(missing)
        new, unsafe = self._order.reordered(body, self._known)
        self._unsafe.update(unsafe)
        return body if unsafe.pairs() else new


def _is_taken_for_done(expr: tree.Expr, place: int, done: list[tree.Expr]) -> bool:
    """Whether a statement that says the same has come to its place: OPA takes one for the other, and its variables for
    unsafe.
    """
    return place < len(done) and statement_order(expr) == statement_order(done[place])


def _variables_in_closures(expr: tree.Expr) -> set[str]:
    found: set[str] = set()
    for closure in outermost_closures(expr):
        match closure:
            case tree.Every():
                found |= variables_of(closure.body)
            case _:
                found |= variables(closure)
    return found


def order_body(
    body: tree.Body, known: set[str], arity: Arity, names: LocalNames, unsafe_variable: UnsafeVariable
) -> tuple[tree.Body, list[RegoProblem], list[RegoProblem]]:
    """The body in an order in which it can be evaluated; `known` are the names of arguments.

    The problems, and those that OPA does not find: its later stages may find others first.
    """
    new, unsafe = _Order(arity).reordered(body, known | ROOTS)
    problems = _problems(unsafe.pairs(), names, unsafe_variable)
    return (body if problems else new), problems, _problems(unsafe.forgotten, names, unsafe_variable)


def _problems(unsafe: list[_Needs], names: LocalNames, unsafe_variable: UnsafeVariable) -> list[RegoProblem]:
    assigned: set[str] = set()
    places: dict[str, Place] = {}
    for expr, found in unsafe:
        if expr.assigned and isinstance(expr.terms, tree.Call):
            for name in variables(expr.terms.args[0]):
                assigned |= {name, names.shown(name)}
        for name in found:
            if name not in places or expr.place < places[name]:
                places[name] = expr.place
    shown = [(names.shown(name), name, place) for name, place in sorted(places.items(), key=lambda each: each[1])]
    users = [each for each in shown if not names.is_made(each[0])]
    others = [each for each in users if each[0] not in assigned and each[1] not in assigned]
    if users:
        return [unsafe_variable(name, place) for name, _, place in others or users]
    seen: set[str] = set()
    problems = []
    for expr, found in sorted(unsafe, key=lambda each: each[0].place):
        made = {name for name in found if names.is_made(name)} - seen
        seen |= made
        if made:
            problems.append(_unsafe_expression(expr.place, unsafe_variable.scope))
    return problems


@dataclass(frozen=True, slots=True)
class UnsafeVariable:
    """The problem of one, in a rule."""

    scope: str  # what is added to the message where a line has rules of several names
    fix: Callable[[str], str]  # what to do about a name

    def __call__(self, name: str, place: Place) -> RegoProblem:
        hint = f" (hint: `import future.keywords.{name}` to import a future keyword)" if name in FUTURE else ""
        found = f"var {name} is unsafe{self.scope}{hint}"
        return RegoProblem("rego_unsafe_var_error", place, found, _WILDCARD if name == "_" else self.fix(name))


_WILDCARD = (
    "`_` has no value here: it only enumerates, and not under `not`; name the value first (`some x in …`), or move "
    "what is negated into a rule of its own"
)
FUTURE = frozenset({"in", "every", "contains", "if", "not", "and", "or"})


def _unsafe_expression(place: Place, scope: str) -> RegoProblem:
    return RegoProblem("rego_unsafe_var_error", place, f"expression is unsafe{scope}", _WILDCARD)
