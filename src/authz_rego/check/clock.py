"""How a policy reads the clock: only in comparisons with its input, of which each turns at one moment, or otherwise.

Pure analysis of checked modules, in which calls stand one by one. What it does not know it takes for "otherwise".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from authz_rego.check.walk import walk
from authz_rego.errors import Place
from authz_rego.syntax.text import ref_text
from authz_rego.syntax.tree import Call, Expr, Module, Ref, Rule, Scalar, Term, Var, With
from authz_rego.values.number import Number, float64

_NOW = "time.now_ns"
_COMPARISONS = frozenset({"gt", "gte", "lt", "lte"})
_GIVEN_AND_USED = 2
_LOCAL = "__local"  # what the checks call variables; each name is one variable of the rule


class Turn(NamedTuple):
    """A comparison of the clock with `input.<path> * factor + offset`: it turns once, at that many seconds."""

    path: tuple[str, ...]
    factor: float
    offset: float


@dataclass(frozen=True, slots=True)
class Clock:
    """`turns` are all the moments at which an answer may change, unless `unbounded` names a place."""

    turns: frozenset[Turn] = frozenset()
    unbounded: Place | None = None


def clock_of(modules: Iterable[Module]) -> Clock:
    """How all rules together read the clock."""
    rules = [rule for module in modules for rule in module.rules]
    places = [place for rule in rules for place in _readings(rule)]
    if not places:
        return Clock()
    if any(isinstance(node, With) for rule in rules for node in walk(rule)):
        return Clock(unbounded=places[0])  # the comparisons may be with other values than the input's
    turns: set[Turn] = set()
    for rule in rules:
        reader = _Rule(rule)
        stray = reader.stray()
        if stray is not None:
            return Clock(unbounded=stray)
        turns |= reader.turns
    return Clock(frozenset(turns))


def _readings(rule: Rule) -> Iterator[Place]:
    return (node.place for node in walk(rule) if isinstance(node, Ref) and ref_text(node) == _NOW)


class _Rule:
    """The variables of one rule that hold the clock's time, and what becomes of them."""

    def __init__(self, rule: Rule) -> None:
        nodes = tuple(walk(rule))
        self._calls = [node.terms for node in nodes if isinstance(node, Expr) and isinstance(node.terms, Call)]
        self._uses = Counter(node.name for node in nodes if isinstance(node, Var))
        self._known: Counter[str] = Counter()  # uses of the clock's variables that are understood
        self._clocks: dict[str, float] = {}  # by variable: nanoseconds in one of its units
        self._values: dict[str, Turn] = {}  # by variable: what it is of the input; its own unit
        self._places = tuple(_readings(rule))
        self.turns: set[Turn] = set()

    def stray(self) -> Place | None:
        """Where the clock goes that is no comparison with the input."""
        if not self._places:
            return None
        read = 0
        for call in self._calls:
            read += self._reads_the_clock(call)
        for _ in self._calls:  # whatever the order in which they stand
            for call in self._calls:
                self._follow(call)
        for call in self._calls:
            self._compare(call)
        whole = read == len(self._places) and all(self._uses[name] == self._known[name] for name in self._clocks)
        return None if whole else self._places[0]

    def _reads_the_clock(self, call: Call) -> bool:
        if ref_text(call.operator) != _NOW or len(call.args) != 1:
            return False
        return self._is_clock(call.args[0], 1.0)

    def _is_clock(self, output: Term, unit: float) -> bool:
        """The variable holds the clock's time from here on. One that did already has two meanings: not understood."""
        if not isinstance(output, Var) or not output.name.startswith(_LOCAL) or output.name in self._clocks:
            return False
        self._clocks[output.name] = unit
        self._known[output.name] += 1
        return True

    def _follow(self, call: Call) -> None:
        """What is made of the clock's time, or of the input."""
        name, args = ref_text(call.operator), call.args
        if name == "eq" and len(args) == 2:
            self._follow_equality(*args)
        elif len(args) == 3:
            self._follow_arithmetic(name, *args)

    def _follow_equality(self, left: Term, right: Term) -> None:
        if isinstance(right, Var) and right.name in self._clocks:
            if self._is_clock(left, self._clocks[right.name]):
                self._known[right.name] += 1
        elif isinstance(right, Ref):
            path = _input_path(right)
            if path and isinstance(left, Var):
                self._values.setdefault(left.name, Turn(path, 1.0, 0.0))

    def _follow_arithmetic(self, name: str, left: Term, right: Term, output: Term) -> None:
        number, is_first = _number(right), True
        if number is None and name in {"plus", "mul"}:
            number, is_first = _number(left), False
        one = left if is_first else right
        if number is None or not isinstance(one, Var) or not isinstance(output, Var):
            return
        if one.name in self._clocks:
            if name == "div" and number > 0 and self._is_clock(output, self._clocks[one.name] * number):
                self._known[one.name] += 1
        else:
            value = self._value_in(one)
            made = None if value is None else _made(value, name, number)
            if made is not None:
                self._values.setdefault(output.name, made)

    def _value_in(self, variable: Var) -> Turn | None:
        """What it is of the input, if it stands in two places: where it gets that, and here. Else it may be another."""
        return self._values.get(variable.name) if self._uses[variable.name] == _GIVEN_AND_USED else None

    def _compare(self, call: Call) -> None:
        if ref_text(call.operator) not in _COMPARISONS or len(call.args) != 2:
            return
        for one, other in (call.args, call.args[::-1]):
            if isinstance(one, Var) and isinstance(other, Var) and one.name in self._clocks:
                value = self._value_in(other)
                if value is not None:
                    seconds = self._clocks[one.name] / 1e9
                    self.turns.add(Turn(value.path, value.factor * seconds, value.offset * seconds))
                    self._known[one.name] += 1


def _made(value: Turn, name: str, number: float) -> Turn | None:
    match name:
        case "plus":
            return value._replace(offset=value.offset + number)
        case "minus":
            return value._replace(offset=value.offset - number)
        case "mul" if number > 0:
            return value._replace(factor=value.factor * number, offset=value.offset * number)
    return None


def _input_path(ref: Ref) -> tuple[str, ...]:
    """Of `input.token.exp`: ("token", "exp"). Nothing for what is not written out."""
    if not isinstance(ref.head, Var) or ref.head.name != "input":
        return ()
    names = tuple(step.value for step in ref.path if isinstance(step, Scalar) and isinstance(step.value, str))
    return names if len(names) == len(ref.path) else ()


def _number(term: Term) -> float | None:
    value = term.value if isinstance(term, Scalar) else None
    return float64(value) if type(value) is int or type(value) is Number else None
