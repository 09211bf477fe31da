"""What can be wrong with a policy, and what can go wrong while it is evaluated. Not how it is shown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where something stands: a file's name and a position, counted from 1; columns count characters, as OPA's do."""

    file: str
    row: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.row}:{self.column}"


NOWHERE = Place("", 0, 0)
UNSUPPORTED: Final = "rego_unsupported_error"  # OPA compiles it, and it is refused here; the README says what, and why


@dataclass(frozen=True, slots=True)
class RegoProblem:
    """One thing that keeps a policy from being loaded."""

    code: str  # OPA's: rego_{parse,compile,type,unsafe_var,recursion}_error; or UNSUPPORTED
    place: Place
    found: str
    fix: str = ""

    def __str__(self) -> str:
        return f"{self.place}: {self.code}: {self.found}" + (f"; {self.fix}" if self.fix else "")


class RegoError(Exception):
    """The base of all that this package raises."""


class RegoProblems(RegoError):  # noqa: N818 - what is raised is the list of them
    """A policy that cannot be loaded: everything that is wrong with it, at once."""

    def __init__(self, problems: Iterable[RegoProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class EvaluationError(RegoError):
    """A query without an answer, not even undefined: two values of one complete rule, say (eval_conflict_error)."""

    def __init__(self, code: str, message: str, place: Place = NOWHERE) -> None:
        self.code, self.message, self.place = code, message, place
        super().__init__(f"{place}: {code}: {message}" if place is not NOWHERE else f"{code}: {message}")


class BuiltinError(RegoError):
    """A builtin that cannot answer: makes the expression undefined, as OPA does unless it is told to be strict."""
