"""Which of Envoy's sources of updates is failing now. Envoy only counts, for its whole life, so each look is compared.

A failure that was followed by a success is over; a counter that became smaller belongs to another Envoy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SUCCESS = "update_success"
FAILURES = ("update_failure", "update_rejected")


@dataclass(slots=True)
class _Source:
    successes: int = 0
    failures: int = 0
    in_a_row: int = 0  # since the last success


class EnvoyUpdates:
    """Remembers what was counted at the last look."""

    def __init__(self) -> None:
        self._sources: dict[str, _Source] = {}

    def failing(self, counters: Mapping[str, int]) -> dict[str, int]:
        """By source (`cluster.target_a`, `sds.server`, …): how often it failed since it last succeeded.

        `counters` are Envoy's statistics by name. Both within one look: it was asked again, and answers.
        """
        found: dict[str, list[int]] = {}
        for name, count in counters.items():
            source, _, kind = name.rpartition(".")
            if kind == SUCCESS:
                found.setdefault(source, [0, 0])[0] += count
            elif kind in FAILURES:
                found.setdefault(source, [0, 0])[1] += count
        before, self._sources = self._sources, {}
        for name, (successes, failures) in found.items():
            self._sources[name] = _after(before.get(name, _Source()), successes, failures)
        return {name: source.in_a_row for name, source in self._sources.items() if source.in_a_row}


def _after(before: _Source, successes: int, failures: int) -> _Source:
    if successes < before.successes or failures < before.failures:
        before = _Source()
    if successes > before.successes:
        return _Source(successes, failures)
    return _Source(successes, failures, before.in_a_row + failures - before.failures)
