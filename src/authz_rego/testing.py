"""Runs Rego's unit tests (`test_…` rules, as `opa test` does) and tells which lines they reached. Prints nothing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from authz_rego.compile.program import Program
from authz_rego.errors import Place
from authz_rego.evaluate.trace import Trace
from authz_rego.explain import Explanation
from authz_rego.policy import Policy, parsed
from authz_rego.syntax.text import ref_text
from authz_rego.syntax.tree import Module, Rule, Var
from authz_rego.values.value import UNDEFINED, Value

_TEST, _TODO = "test_", "todo_test_"


class Outcome(Enum):
    """How a test ended."""

    PASSED = "PASS"
    FAILED = "FAIL"
    ERROR = "ERROR"
    SKIPPED = "SKIPPED"


@dataclass(frozen=True, slots=True)
class TestResult:
    """One test. The explanation is there when it did not pass."""

    name: str  # `data.package.test_rule`; the second of that name is `…#01`
    place: Place
    outcome: Outcome
    explanation: Explanation | None = None


@dataclass(frozen=True, slots=True)
class FileCoverage:
    """The lines of a file that have a statement or a rule's head on them."""

    file: str
    reached: tuple[int, ...]
    missed: tuple[int, ...]

    @property
    def share(self) -> float:
        """From 0 to 1."""
        lines = len(self.reached) + len(self.missed)
        return len(self.reached) / lines if lines else 1.0


@dataclass(frozen=True, slots=True)
class TestRun:
    """All tests of some modules."""

    results: tuple[TestResult, ...]
    coverage: tuple[FileCoverage, ...] = field(default=())

    @property
    def is_good(self) -> bool:
        """Whether none failed."""
        return all(each.outcome in {Outcome.PASSED, Outcome.SKIPPED} for each in self.results)


def run_tests(
    modules: Iterable[tuple[str, str]], data: Mapping[str, Value] | None = None, *, only: str = "", now_ns: int = 0
) -> TestRun:
    """Every `test_…` rule whose name the regular expression `only` is found in. Raises RegoProblems.

    A test passes when it is true. `todo_test_…` are skipped.
    """
    texts = dict(modules)
    numbered, tests = _numbered(parsed(texts.items()))
    policy = Policy.of(numbered, data or {}, texts)
    reached: set[int] = set()
    results = [
        _result(policy, name, rule, reached, now_ns) for name, rule in tests if re.search(only, name) is not None
    ]
    return TestRun(tuple(results), _coverage(policy.traced(), reached))


def _numbered(modules: Sequence[Module]) -> tuple[list[Module], list[tuple[str, Rule]]]:
    """The modules with each test under a name of its own, and the tests."""
    seen: Counter[str] = Counter()
    tests: list[tuple[str, Rule]] = []

    def named(module: Module, rule: Rule) -> Rule:
        head = rule.head.ref.head
        if not isinstance(head, Var) or not head.name.startswith((_TEST, _TODO)) or rule.head.args is not None:
            return rule
        full = f"{ref_text(module.package)}.{head.name}"
        times, seen[full] = seen[full], seen[full] + 1
        suffix = f"#{times:02d}" if times else ""
        tests.append((full + suffix, rule))
        new = replace(rule.head.ref, head=replace(head, name=head.name + suffix))
        return replace(rule, head=replace(rule.head, ref=new))

    return [replace(each, rules=tuple(named(each, rule) for rule in each.rules)) for each in modules], tests


def _result(policy: Policy, name: str, rule: Rule, reached: set[int], now_ns: int) -> TestResult:
    if f".{_TODO}" in name:
        return TestResult(name, rule.place, Outcome.SKIPPED)
    trace = Trace()
    explained = policy.query(name).explain(UNDEFINED, now_ns=now_ns, trace=trace)
    reached |= trace.reached
    if explained.error:
        return TestResult(name, rule.place, Outcome.ERROR, explained)
    if explained.value is True:
        return TestResult(name, rule.place, Outcome.PASSED)
    return TestResult(name, rule.place, Outcome.FAILED, explained)


def _coverage(program: Program, reached: set[int]) -> tuple[FileCoverage, ...]:
    lines: dict[str, dict[int, bool]] = {}
    for number, statement in enumerate(program.generator.statements):
        file = lines.setdefault(statement.place.file, {})
        file[statement.place.row] = file.get(statement.place.row, False) or number in reached
    return tuple(
        FileCoverage(
            name,
            tuple(row for row, is_reached in sorted(file.items()) if is_reached),
            tuple(row for row, is_reached in sorted(file.items()) if not is_reached),
        )
        for name, file in sorted(lines.items())
        if name
    )
