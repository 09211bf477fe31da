"""Rego modules as plain values, for the checks of the load gate: read by `syntax_reader`, judged by the others."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

Path = tuple[str, ...]  # ("data", "order", "allow")
WILDCARD = "#"  # in the name of a variable that is written `_`


class Term(NamedTuple):
    """An expression. `kind` says which of the fields count."""

    kind: str  # constant variable reference call array set object comprehension unify assign key_membership operation
    line: int
    value: object = None  # constant: its value; variable: its name; call of a builtin: the builtin's name
    path: Path = ()  # reference: its static part from `input` or `data`, if it starts there; call: the function's path
    parts: tuple["Term", ...] = ()  # operands; reference: [head, unless `path`], then the indices that are left
    body: tuple["Statement", ...] = ()  # comprehension


class Statement(NamedTuple):
    """One line of a body."""

    kind: str  # some some_in expression not every
    line: int
    declares: frozenset[str] = frozenset()  # every: visible in its own body only
    terms: tuple[Term, ...] = ()  # some_in: patterns, then the collection; every: the domain
    body: tuple["Statement", ...] = ()  # every
    replacements: tuple[Term, ...] = ()  # the values of `with … as <value>`


class Body(NamedTuple):
    """One way in which a rule holds, and what it is then."""

    line: int
    heads: tuple[Term, ...]
    statements: tuple[Statement, ...]


class Rule(NamedTuple):
    """One definition; a document or function may have several."""

    file: str
    line: int
    kind: str  # default value set function; bracketed: `s["x"]`, which Rego v1 does not have
    path: Path  # the static part of its name
    dynamic: bool  # the name goes on with variables: `roles[user] := …`
    arguments: tuple[Term, ...]
    bodies: tuple[Body, ...]

    @property
    def is_function(self) -> bool:
        return self.kind == "function" or bool(self.arguments)

    @property
    def name(self) -> str:
        return ".".join(self.path)


class Import(NamedTuple):
    """A document under a shorter name."""

    alias: str
    path: Path
    line: int


class Module(NamedTuple):
    """One file."""

    file: str
    package: Path
    imports: tuple[Import, ...]
    rules: tuple[Rule, ...]


def terms_of(rule: Rule) -> Iterator[tuple[Term, bool]]:
    """Every term of a rule, nested ones too; the flag says that it is the value of a `with`."""
    yield from _nested(rule.arguments)
    for body in rule.bodies:
        yield from terms_in(body.statements, body.heads)


def terms_in(statements: Iterable[Statement], heads: Iterable[Term]) -> Iterator[tuple[Term, bool]]:
    """The same for one body and its values."""
    yield from _nested(heads)
    yield from _in_statements(statements)


def pattern_variables(term: Term) -> frozenset[str]:
    """The variables that a value gives values to when it is matched with this term."""
    if term.kind == "variable":
        return frozenset([str(term.value)])
    if term.kind in {"array", "object"}:
        values = term.parts[1::2] if term.kind == "object" else term.parts
        return frozenset().union(*map(pattern_variables, values))
    return frozenset()


def _nested(terms: Iterable[Term], *, replacement: bool = False) -> Iterator[tuple[Term, bool]]:
    for term in terms:
        yield term, replacement
        yield from _nested(term.parts)
        yield from _in_statements(term.body)


def _in_statements(statements: Iterable[Statement]) -> Iterator[tuple[Term, bool]]:
    for statement in statements:
        yield from _nested(statement.terms)
        yield from _in_statements(statement.body)
        yield from _nested(statement.replacements, replacement=True)
