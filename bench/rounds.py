"""One way through the mesh with and without authorisation, in short alternating rounds, so that drift cancels out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

from bench.load import Load, Target, run_load
from bench.processes import cpu_seconds

CONNECTIONS = 32


@dataclass(frozen=True, slots=True)
class Side:
    """With or without: where to send the load, and whose processor time is this side's cost."""

    target: Target
    envoys: tuple[int, ...]
    workers: tuple[int, ...] = ()
    control_planes: tuple[int, ...] = ()


class Run(NamedTuple):
    """One round of one side."""

    load: Load
    envoy_us: float  # processor time per request
    python_us: float
    control_us: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """All rounds of both sides, pairwise in order."""

    with_it: Sequence[Run]
    without: Sequence[Run]

    @property
    def throughput_ratio(self) -> float:
        """The median of each round's own ratio."""
        pairs = zip(self.with_it, self.without, strict=True)
        return median(ours.load.rate / bare.load.rate for ours, bare in pairs)

    @property
    def extra_envoy_us(self) -> float:
        pairs = zip(self.with_it, self.without, strict=True)
        return median(ours.envoy_us - bare.envoy_us for ours, bare in pairs)


@dataclass(slots=True)
class Rounds:
    """How long and how often. `sent` counts on, so that tokens go on where the last round stopped."""

    rounds: int = 5
    seconds: float = 3.0
    connections: int = CONNECTIONS
    sent: int = 0

    async def compare(self, ours: Side, bare: Side) -> Comparison:
        """The order within a round changes from round to round; one short uncounted run of each goes first."""
        for side in (ours, bare):
            await self._run(side, seconds=1.0)
        with_it: list[Run] = []
        without: list[Run] = []
        for number in range(self.rounds):
            order = [(ours, with_it), (bare, without)]
            for side, runs in order if number % 2 == 0 else reversed(order):
                runs.append(await self._run(side, seconds=self.seconds))
        return Comparison(with_it, without)

    async def _run(self, side: Side, *, seconds: float) -> Run:
        groups = (side.envoys, side.workers, side.control_planes)
        before = [cpu_seconds(group) for group in groups]
        load = await run_load(side.target, seconds=seconds, connections=self.connections, first=self.sent)
        after = [cpu_seconds(group) for group in groups]
        self.sent += load.requests
        envoy, python, control = ((b - a) / load.requests * 1e6 for a, b in zip(before, after, strict=True))
        return Run(load, envoy, python, control)
