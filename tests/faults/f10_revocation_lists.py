"""F10: revocation lists and PKIs of every shape, at the start and on reload; `authz check` says what `authz run` does.

The reload of each is in tests/integration/test_revocation_lists.py, on one sidecar; here each is started with.
"""

from __future__ import annotations

from tests.support.listed_sidecar import ListedSidecar
from tests.support.live import Live
from tests.support.revocation_shapes import SHAPES
from tests.torture.row import Outcome, Progress, Row


async def run(live: Live, size: int, progress: Progress) -> Outcome:
    """First one of each kind."""
    first = {shape.by: shape for shape in reversed(SHAPES)}
    chosen = sorted(SHAPES, key=lambda shape: shape != first[shape.by])[:size]
    listed = ListedSidecar(live)
    failures = []
    with listed.sidecar.echo:
        for number, shape in enumerate(chosen, 1):
            failures += [f"{shape.name}: {wrong}" for wrong in listed.wrong_at_start(shape)]
            progress(number)
    figures = {by: sum(shape.by == by for shape in chosen) for by in ("envoy", "gate", "nobody")}
    return Outcome(len(chosen), failures, figures={f"refused by {by}": count for by, count in figures.items()})


ROW = Row(
    id="F10",
    title="revocation lists and PKIs of every shape, at the start",
    promise="0 good clients refused, 0 revoked ones accepted; what nobody can use is refused, by check too",
    full=len(SHAPES),
    sample=3,
    budget=150,
    run=run,
)
