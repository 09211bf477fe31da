"""What a traced policy tells while it is evaluated: which bodies were tried, and how far each came."""

from __future__ import annotations

from dataclasses import dataclass

from authz_rego.values.value import Value


@dataclass(slots=True)
class Attempt:
    """One body of a rule, over all times that it was tried."""

    times: int = 0
    held: int = 0
    furthest: int = -1  # the number of the statement at which it stopped, the last of all tries
    values: tuple[Value, ...] = ()  # what was compared there


class Trace:
    """Collects, by the numbers that the compiler gave."""

    def __init__(self) -> None:
        self.attempts: dict[int, Attempt] = {}  # by the number of the rule, in the order of the first try
        self.reached: set[int] = set()

    def enter(self, rule: int) -> None:
        """A body is tried."""
        self.reached.add(rule)
        self.attempts.setdefault(rule, Attempt()).times += 1

    def reach(self, statement: int) -> None:
        """A statement is evaluated."""
        self.reached.add(statement)

    def stop(self, rule: int, statement: int, *values: Value) -> None:
        """A statement of a body does not hold."""
        attempt = self.attempts[rule]
        if statement >= attempt.furthest:
            attempt.furthest, attempt.values = statement, values

    def hold(self, rule: int) -> None:
        """All statements of a body hold."""
        self.attempts[rule].held += 1
