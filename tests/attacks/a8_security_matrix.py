"""A8: every source, destination, certificate, token, method and resource, against the table written before the code."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

from tests.support.live import Live
from tests.torture.row import Outcome, Progress, Row, seed

from authz_devkit.demo.matrix import Cell, load_matrix
from authz_devkit.demo.matrix_run import Tried, try_all
from authz_devkit.demo.mesh import EXAMPLE


async def run(live: Live, size: int, progress: Progress) -> Outcome:
    """Status and reason of each cell are the table's; some of the cells are reached, some are refused."""
    cells = load_matrix(EXAMPLE / "security_matrix.yaml")
    drawn = random.Random(seed()).sample(cells, min(size, len(cells)))
    live.start_pods()
    tried = live.run(_tried(live, drawn, progress))
    wrong = [f"{one.cell.name}: expected {one.expected}, got {one.outcome}" for one in tried if not one.held]
    reached = sum(not one.answer.reason for one in tried)
    if not 0 < reached < len(tried):
        wrong.append(f"{reached} of {len(tried)} reached a service: the yes or the no is missing")
    return Outcome(len(tried), wrong, figures={"reached a service": reached, "refused": len(tried) - reached})


async def _tried(live: Live, cells: Sequence[Cell], progress: Progress) -> list[Tried]:
    count = itertools.count(1)
    return await try_all(cells, live.caller, live.tokens, lambda: progress(next(count)))


ROW = Row(
    id="A8",
    title="the security matrix",
    promise="each answer is the one that the table names",
    full=2880,
    sample=192,
    budget=100,
    run=run,
)
