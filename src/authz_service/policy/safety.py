"""Finds variables that no statement gives a value to (OPA's `rego_unsafe_var_error`). Reads values, evaluates nothing.

regorus looks at bodies only, at the first evaluation, and stops at the first find; rule heads, `else` values and
function results it finds on the request that gets there. So the check is ours, by OPA's rules: an unordered body is
settled statement by statement, each giving values to variables once those that it needs have theirs.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from authz_service.policy.syntax import Rule, Statement, Term, pattern_variables

Bound = frozenset[str]
Arity = Callable[[Term], int | None]  # of a called function, if it is known


class Unsafe(NamedTuple):
    """A variable without a value, and the line that needs it."""

    variable: str
    line: int


class _Use(NamedTuple):
    needs: frozenset[Unsafe]
    gives: frozenset[str]


_NOTHING: frozenset[str] = frozenset()


def unsafe_variables(rule: Rule, arity: Arity) -> list[Unsafe]:
    """Each variable once, where it is first needed."""
    arguments = _NOTHING.union(*map(pattern_variables, rule.arguments))
    found: dict[str, Unsafe] = {}
    for each in sorted(_in_rule(rule, arguments, arity), key=lambda unsafe: unsafe.line):
        found.setdefault(each.variable, each)
    return list(found.values())


def _in_rule(rule: Rule, arguments: Bound, arity: Arity) -> Iterator[Unsafe]:
    settle = _Settling(arity)
    for argument in rule.arguments:
        yield from settle.needs(argument, arguments)
    for body in rule.bodies:
        bound, unsafe = settle.body(body.statements, arguments)
        yield from unsafe
        for head in body.heads:
            yield from settle.needs(head, bound)


class _Settling:
    def __init__(self, arity: Arity) -> None:
        self._arity = arity

    def body(self, statements: Sequence[Statement], outer: Bound) -> tuple[Bound, set[Unsafe]]:
        """What has a value after the body (or is to blame already), and what never gets one."""
        declared = _NOTHING.union(*(each.declares for each in statements if each.kind != "every"))
        bound = outer - declared
        pending = list(_split(statements))
        while True:
            waiting = []
            for statement in pending:
                use = self._use(statement, bound)
                if use.needs:
                    waiting.append(statement)
                else:
                    bound |= use.gives
            if len(waiting) == len(pending):
                return self._blamed(waiting, bound)
            pending = waiting

    def _blamed(self, waiting: Sequence[Statement], bound: Bound) -> tuple[Bound, set[Unsafe]]:
        """A variable that a waiting statement would give is a consequence, not the cause."""
        uses = [self._use(statement, bound) for statement in waiting]
        promised = _NOTHING.union(*(use.gives for use in uses))
        needs = {unsafe for use in uses for unsafe in use.needs}
        causes = {unsafe for unsafe in needs if unsafe.variable not in promised} or needs
        return bound | promised | {unsafe.variable for unsafe in needs}, causes

    def _use(self, statement: Statement, bound: Bound) -> _Use:
        use = self._own_use(statement, bound)
        replacements = self._all_needs(statement.replacements, bound)
        return _Use(use.needs | replacements, use.gives | _all_outputs(statement.replacements))

    def _own_use(self, statement: Statement, bound: Bound) -> _Use:
        if statement.kind == "some":
            return _Use(frozenset(), _NOTHING)
        if statement.kind == "some_in":
            *patterns, collection = statement.terms
            gives = _NOTHING.union(*map(pattern_variables, patterns))
            needs = self.needs(collection, bound) | self._all_needs(patterns, bound | gives)
            return _Use(needs, gives | _outputs(collection))
        if statement.kind == "every":
            needs = self.needs(statement.terms[0], bound)
            _, unsafe = self.body(statement.body, bound | statement.declares)
            return _Use(needs | unsafe, _NOTHING)
        term = statement.terms[0]
        if statement.kind == "not":
            return _Use(self.needs(term, bound, enumerating=False), _NOTHING)
        return self._expression(term, bound)

    def _expression(self, term: Term, bound: Bound) -> _Use:
        if term.kind == "assign":
            return self._matched(term.parts[0], term.parts[1], bound)
        if term.kind == "unify":
            left, right = term.parts
            if self.needs(right, bound | _outputs(left)):
                left, right = right, left
            return self._matched(left, right, bound)
        arity = self._arity(term) if term.kind == "call" else None
        if arity is not None and len(term.parts) == arity + 1:
            return self._matched(term.parts[-1], term._replace(parts=term.parts[:-1]), bound)
        return _Use(self.needs(term, bound), _outputs(term))

    def _matched(self, pattern: Term, value: Term, bound: Bound) -> _Use:
        """`pattern := value`: the value has to be there, the pattern's variables get theirs from it."""
        gives = pattern_variables(pattern) | _outputs(pattern) | _outputs(value)
        needs = self.needs(value, bound | _outputs(pattern)) | self.needs(pattern, bound | gives)
        return _Use(needs, gives)

    def needs(self, term: Term, bound: Bound, *, enumerating: bool = True) -> frozenset[Unsafe]:
        """The variables that must have a value before the term has one. `x[i]` enumerates `i`, but not under `not`."""
        if enumerating:
            bound |= _outputs(term)
        return frozenset(self._needs(term, bound))

    def _needs(self, term: Term, bound: Bound) -> Iterator[Unsafe]:
        if term.kind == "variable":
            if term.value not in bound:
                yield Unsafe(str(term.value), term.line)
        elif term.kind == "comprehension":
            inner, unsafe = self.body(term.body, bound)
            yield from unsafe
            yield from self._all_needs(term.parts, inner)
        else:
            for part in term.parts:
                yield from self._needs(part, bound)

    def _all_needs(self, terms: Iterable[Term], bound: Bound) -> frozenset[Unsafe]:
        return frozenset().union(*(self.needs(term, bound) for term in terms))


def _outputs(term: Term) -> frozenset[str]:
    """The variables that a reference enumerates: `i` in `input.roles[i]`. Comprehensions keep theirs."""
    if term.kind == "comprehension":
        return _NOTHING
    found = _all_outputs(term.parts)
    if term.kind == "reference":
        indices = term.parts if term.path else term.parts[1:]
        return found.union(*map(pattern_variables, indices))
    return found


def _all_outputs(terms: Iterable[Term]) -> frozenset[str]:
    return _NOTHING.union(*map(_outputs, terms))


def _split(statements: Iterable[Statement]) -> Iterator[Statement]:
    """`[a, b] = [c, d]` as `a = c; b = d`: each pair may give in another direction."""
    for statement in statements:
        term = statement.terms[0] if statement.kind == "expression" else None
        if term and term.kind == "unify":
            left, right = term.parts
            if left.kind == right.kind == "array" and len(left.parts) == len(right.parts):
                pairs = zip(left.parts, right.parts, strict=True)
                yield from _split(statement._replace(terms=(term._replace(parts=pair),)) for pair in pairs)
                continue
        yield statement
