"""Why a query has its value: which bodies of rules were tried, and at which line each stopped. Not decisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from authz_rego.compile.program import Program
from authz_rego.errors import NOWHERE, Place
from authz_rego.evaluate.trace import Attempt, Trace
from authz_rego.values.python_documents import readable_value
from authz_rego.values.value import Value


@dataclass(frozen=True, slots=True)
class Tried:
    """One body of a rule that was tried."""

    rule: str  # `data.package.rule`
    place: Place  # where the body's rule begins
    held: bool  # at least once
    times: int
    stopped: Place = NOWHERE  # the statement that did not hold, the last that was come to
    line: str = ""  # the text of that line
    values: tuple[Value, ...] = ()  # what was compared there, as far as it had values
    default: bool = False  # it holds because nothing else does


@dataclass(frozen=True, slots=True)
class Explanation:
    """A value and how it came about. `error` says why there is none, then the value is UNDEFINED."""

    value: Value
    tried: tuple[Tried, ...]
    error: str = ""


def explanation(program: Program, trace: Trace, texts: Mapping[str, str], value: Value, error: str) -> Explanation:
    """What a trace says, in words of places and lines."""
    tried = tuple(_tried(program, number, attempt, texts) for number, attempt in trace.attempts.items())
    return Explanation(value, tried, error)


def _tried(program: Program, number: int, attempt: Attempt, texts: Mapping[str, str]) -> Tried:
    name, rule = program.generator.rules[number]
    if attempt.held or attempt.furthest < 0:
        return Tried(name, rule.place, bool(attempt.held), attempt.times, default=rule.default)
    values = tuple(map(readable_value, attempt.values)) if program.generator.tearing.seen else attempt.values
    stopped = program.generator.statements[attempt.furthest].place
    return Tried(name, rule.place, False, attempt.times, stopped, _line(texts, stopped), values)


def _line(texts: Mapping[str, str], place: Place) -> str:
    lines = texts.get(place.file, "").splitlines()
    return lines[place.row - 1].strip() if 0 < place.row <= len(lines) else ""
