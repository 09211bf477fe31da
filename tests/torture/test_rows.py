"""A sample of every row of the test matrix, in seconds each; `make torture` tries them whole."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.live import Live
from tests.torture.registry import load_rows
from tests.torture.row import ALL_ROWS_SECONDS, Outcome, Row

ROWS = list(load_rows().values())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_a_sample_of_the_row_holds(live: Live, row: Row) -> None:
    """The same function as at full size."""

    async def run() -> Outcome:
        return await row.run(live, row.sample, lambda _: None)

    outcome = asyncio.run(run())

    assert outcome.held(row.sample), outcome.detail(row.sample)


def test_all_rows_fit_into_their_time() -> None:
    """Each has its name from its module, and a sample that is no larger than the whole."""
    assert sum(row.budget for row in ROWS) <= ALL_ROWS_SECONDS
    assert all(0 < row.sample <= row.full for row in ROWS)
    assert {row.id for row in ROWS} == {row.id for row in load_rows(row.id for row in ROWS).values()}
