"""The security matrix, tried live in full: every source, certificate, token, method and resource at every door (A8)."""

from __future__ import annotations

import pytest
from tests.support.live import Live

from authz_devkit.demo.matrix import load_matrix
from authz_devkit.demo.matrix_run import Tried, try_all
from authz_devkit.demo.mesh import EXAMPLE

CELLS = load_matrix(EXAMPLE / "security_matrix.yaml")
AT_LEAST = 192  # SECURITY A8
DOORS = ("gateway", "order", "payment", "data")


@pytest.fixture(scope="module")
def tried(mesh: Live) -> list[Tried]:
    return mesh.run(try_all(CELLS, mesh.caller, mesh.tokens))


@pytest.mark.parametrize("door", DOORS)
def test_only_the_drawn_arrows_exist(tried: list[Tried], door: str) -> None:
    """Status and reason of each cell are as the table says, which was written before the code."""
    wrong = [
        f"{one.cell.name}: expected {one.expected}, got {one.outcome}"
        for one in tried
        if one.cell.destination == door and not one.held
    ]

    assert wrong == []


@pytest.mark.parametrize("door", DOORS)
def test_every_door_has_its_yes_and_its_no(tried: list[Tried], door: str) -> None:
    """A table in which everything is refused would hold on a broken mesh too."""
    here = [one for one in tried if one.cell.destination == door]

    assert any(not one.answer.reason for one in here)
    assert any(one.answer.reason for one in here)


def test_the_table_is_as_long_as_promised() -> None:
    """Each cell once."""
    assert len({cell.name for cell in CELLS}) == len(CELLS) >= AT_LEAST
