"""A body's statements as Python, in their order: each is one test, one value, or one loop around all that follows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

from authz_rego.check.names import is_equality
from authz_rego.check.walk import COMPREHENSIONS, variables_of
from authz_rego.compile import calls, references, replacements, terms, unification
from authz_rego.compile.plan import may_raise
from authz_rego.compile.writer import Lines
from authz_rego.syntax.tree import (
    ArrayTerm,
    Body,
    Call,
    Every,
    Expr,
    Logical,
    Not,
    ObjectTerm,
    Ref,
    Scalar,
    SetTerm,
    Term,
    Var,
)

if TYPE_CHECKING:
    from authz_rego.compile.generate import Generator


_MOST_LOOPS = 12  # Python's compiler takes twenty blocks inside of each other
_UNIQUE = ("$", "__local")


class _Never(Exception):  # noqa: N818 - no error: it ends the writing of a body
    """The statement fails whatever the values are: what follows it is never reached."""


class Scope:
    """What is known where a statement stands."""

    def __init__(self, bound: dict[str, str], uses: Counter[str]) -> None:
        self.bound = bound  # variables of Rego by the names that hold their values
        self.uses = uses  # how often each variable stands in the rule
        self.paths: dict[tuple[str, ...], str] = {}  # references whose value is known already
        self.formed: set[str] = set()  # variables of a head that are asked for by a form, and have no value yet


class BodyWriter:
    """Writes the statements of one body into a function."""

    def __init__(
        self, generator: Generator, scope: Scope, lines: Lines, *, otherwise: str, rule: int | None = None
    ) -> None:
        self.generator = generator
        self.source = generator.source
        self.scope = scope
        self.lines = lines
        self.otherwise = otherwise  # what the function does when the body does not hold
        self.loops = 0
        self.context = "c"
        self.statement_number = -1
        self.rule = rule  # its number in traces, unless the statements stand inside of another one
        self.literals: set[str] = set()

    def fail(self, *values: str) -> None:
        """The body does not hold this way."""
        if self.rule is not None and self.statement_number >= 0:
            told = ", ".join([str(self.rule), str(self.statement_number), *values])
            self.lines.add(f"c.trace.stop({told})")
        self.lines.add("continue" if self.loops else self.otherwise)

    def fail_if(self, condition: str, *values: str) -> None:
        self.lines.open(f"if {condition}:")
        self.fail(*values)
        self.lines.close()

    def raise_if(self, condition: str, error: str) -> None:
        """The question ends."""
        self.lines.when(condition, f"raise {error}")

    def never(self) -> NoReturn:
        """Here the body never holds."""
        self.fail()
        raise _Never

    def loop(self, head: str) -> None:
        """Everything that follows stands in it."""
        self.lines.open(head)
        self.loops += 1

    def body(
        self, body: Body, success: Callable[[BodyWriter], None], head: Callable[[BodyWriter], None] = lambda _: None
    ) -> None:
        """The statements, and in the middle of them what is to be done when all hold; the head is matched before."""
        try:
            head(self)
            for index, expr in enumerate(body):
                if self.loops >= _MOST_LOOPS:
                    self._rest(body[index:], success)
                    return
                self._traced(expr)
        except _Never:
            return
        self._finish(success)

    def _finish(self, success: Callable[[BodyWriter], None]) -> None:
        self.statement_number = -1
        if self.rule is not None:
            self.lines.add(f"c.trace.hold({self.rule})")
        success(self)

    def _traced(self, expr: Expr) -> None:
        if self.generator.traced:
            self.statement_number = self.generator.statement(expr)
            self.lines.add(f"c.trace.reach({self.statement_number})")
        self.statement(expr)

    def _rest(self, body: Body, success: Callable[[BodyWriter], None]) -> None:
        """Too many loops for one function: the others stand in one of their own, which tells each way to hold."""
        inner, parameters, arguments = self.apart(variables_of(body), otherwise="return")
        before = set(inner.scope.bound)
        inner.rule, self.rule = self.rule, None
        kept: list[str] = []

        def give(writer: BodyWriter) -> None:
            kept.extend(sorted(set(writer.scope.bound) - before))
            writer.lines.add("yield (" + "".join(f"{writer.scope.bound[each]}, " for each in kept) + ")")

        inner.body(body, give)
        head = self.source.name("rest")
        self.source.function(f"{head}({parameters})", inner.lines)
        new = [self.source.name("v") for _ in kept]
        self.loop(f"for {''.join(f'{each}, ' for each in new) or '_'} in {head}({arguments}):")
        self.scope.bound.update(zip(kept, new, strict=True))
        self.statement_number = -1
        success(self)

    def apart(self, names: set[str], *, otherwise: str) -> tuple[BodyWriter, str, str]:
        """The writer of a function of its own, for what stands inside of a statement and has these variables; the
        function's parameters, and their arguments here: the variables that have a value.
        """
        free = sorted(set(self.scope.bound) & (names | set(map(terms.as_written, names))))
        bound = {each: self.source.name("v") for each in free}
        writer = BodyWriter(self.generator, Scope(bound, self.scope.uses), Lines(), otherwise=otherwise)
        arguments = (self.scope.bound[each] for each in free)
        return writer, ", ".join(["c", *bound.values()]), ", ".join([self.context, *arguments])

    def statement(self, expr: Expr) -> None:
        if expr.negated:
            self._negated(expr)
        elif expr.with_:
            replacements.replaced(self, expr)
        else:
            self.plain(expr)

    def plain(self, expr: Expr) -> None:
        match expr.terms:
            case Call() if is_equality(expr.terms):
                self.unify(*expr.terms.args[:2])
            case Call():
                self.call(expr.terms)
            case Every():
                self._every(expr.terms)
            case Not():
                is_first = not any(may_raise(each, self.generator.plan) for each in expr.terms.body)
                self.fail_if(self._holds(expr.terms.body, is_first=is_first))
            case Logical():
                left, right = self._holds(expr.terms.left), self._holds(expr.terms.right)
                self.fail_if(f"not ({left} {expr.terms.operator} {right})")
            case Scalar():
                if expr.terms.value is False:
                    self.never()
            case term:
                value = self.named(self.evaluated(term))  # type: ignore[arg-type]
                self.fail_if(f"{value} is False", value)

    def _negated(self, expr: Expr) -> None:
        plain = Expr(expr.terms, with_=expr.with_, place=expr.place)
        self.fail_if(self._holds((plain,), is_first=not may_raise(plain, self.generator.plan)))

    def _holds(self, body: Body, *, is_first: bool = True) -> str:
        """A call that says whether a body of its own holds."""
        inner, parameters, arguments = self.apart(variables_of(body), otherwise="return False")
        inner.held(body, is_first=is_first)
        head = self.source.name("holds")
        self.source.function(f"{head}({parameters})", inner.lines)
        return f"{head}({arguments})"

    def held(self, body: Body, *, is_first: bool = True) -> None:
        """A function that says whether the body holds."""
        if is_first:
            self.body(body, lambda writer: writer.lines.add("return True"))
            if self.loops:
                self.lines.depth = 1
                self.lines.add("return False")
            return
        self.lines.add("found = False")
        self.otherwise = "return found"
        self.body(body, lambda writer: writer.lines.add("found = True"))
        self.lines.depth = 1
        self.lines.add("return found")

    def _every(self, every: Every) -> None:
        domain = self.source.name("v")
        self.lines.add(f"{domain} = {self.evaluated(every.domain)}")
        self.fail_if(f"type({domain}) not in COLLECTIONS", domain)
        inner, parameters, arguments = self.apart(variables_of(every.body), otherwise="return False")
        key, value = self.source.name("v"), self.source.name("v")
        inner.scope.bound[every.value.name] = value
        if every.key is not None:
            inner.scope.bound[every.key.name] = key
        inner.held(every.body)
        body, head = self.source.name("holds"), self.source.name("every")
        self.source.function(f"{body}({key}, {value}, {parameters})", inner.lines)
        lines = Lines()
        lines.open(f"for {key}, {value} in items({domain}):")
        lines.when(f"not {body}({key}, {value}, {parameters})", "return False")
        lines.close()
        lines.add("return True")
        self.source.function(f"{head}({domain}, {parameters})", lines)
        self.fail_if(f"not {head}({domain}, {arguments})", domain)

    def is_unused(self, term: Term) -> bool:
        """A variable that nothing else looks at."""
        return (
            isinstance(term, Var)
            and term.name not in self.scope.bound
            and term.name.startswith(_UNIQUE)
            and self.scope.uses[term.name] <= 1
        )

    def named(self, text: str) -> str:
        """A name for a value."""
        if text.isidentifier():
            return text
        name = self.source.name("v")
        self.lines.add(f"{name} = {text}")
        return name

    def is_ground(self, term: Term) -> bool:
        """Whether it has a value here."""
        match term:
            case Scalar():
                return True
            case Var():
                return term.name in self.scope.bound
            case ArrayTerm() | SetTerm():
                return all(map(self.is_ground, term.items))
            case ObjectTerm():
                return all(self.is_ground(key) and self.is_ground(value) for key, value in term.pairs)
        return isinstance(term, COMPREHENSIONS)

    # ── what other files write ──

    def unify(self, left: Term, right: Term) -> None:
        """Both must be the same."""
        unification.unify(self, left, right)

    def match(self, pattern: Term, value: str) -> None:
        """The pattern's variables get their values out of the value, if it has that form."""
        unification.match(self, pattern, value)

    def evaluated(self, term: Term) -> str:
        """The text of a value; references in it are looked up first."""
        return terms.evaluated(self, term)

    def key(self, term: Term) -> str:
        """The text of a key of an object, or of a member of a set."""
        return terms.key(self, term)

    def put(self, key: Term, value: Term, place: str) -> None:
        """A member of an object that is being made: `out`."""
        terms.put(self, key, value, place)

    def call(self, call: Call) -> None:
        """A statement that calls something."""
        calls.call(self, call)

    def reference(self, ref: Ref) -> str:
        """The value of a reference; a variable in it that has none yet makes a loop."""
        return references.reference(self, ref)
