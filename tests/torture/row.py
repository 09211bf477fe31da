"""What a row of the test matrix (SECURITY §3) is: a name, a size, a budget, and a function that tries it."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from tests.support.live import Live

ALL_ROWS_SECONDS = 42 * 60  # what `make torture` may take on two cores
_SHOWN_FAILURES = 20

Progress = Callable[[int], None]  # "so many are tried by now"


@dataclass(frozen=True)
class Outcome:
    """What came of a row. A deviation is no failure, but differs from what a reader may expect; it has its reason."""

    tried: int
    failures: list[str] = field(default_factory=list)  # each names its case, or its seed, so that it can be repeated
    deviations: list[str] = field(default_factory=list)
    figures: dict[str, str | int | float] = field(default_factory=dict)

    def held(self, size: int) -> bool:
        """Also when a table has become shorter than promised, the row has failed."""
        return not self.failures and self.tried >= size

    def detail(self, size: int) -> str:
        """One line, with the first failures."""
        words = [f"{len(self.failures)} of {self.tried:,}"]
        if self.tried < size:
            words.append(f"only {self.tried:,} of {size:,} tried")
        words += [f"{name} {value}" for name, value in self.figures.items()]
        words += self.failures[:_SHOWN_FAILURES]
        return "; ".join(words)


Run = Callable[[Live, int, Progress], Awaitable[Outcome]]


@dataclass(frozen=True)
class Row:
    """One line of the matrix; lives as `ROW` in a module that is named after it (README.md)."""

    id: str  # as in SECURITY §3: "A3"
    title: str
    promise: str  # what is counted, as it is published: "0 accepted, 0 answers of 5xx, 0 restarts"
    full: int  # how many `make torture` tries
    sample: int  # how many `make test` tries: seconds
    budget: float  # seconds that the full size may take; the budgets of all rows fit into ALL_ROWS_SECONDS
    run: Run


def seed() -> int:
    """For everything that a row draws by lot. TORTURE_SEED repeats a run."""
    return int(os.environ.get("TORTURE_SEED", "1"))
