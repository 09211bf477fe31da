"""What the demo shows of the matrix can be read in 80 columns, also of what did not hold."""

from __future__ import annotations

import io

import httpx
import pytest
from rich.console import Console

from authz_devkit.demo.caller import Answer
from authz_devkit.demo.matrix import load_matrix, one_of_each
from authz_devkit.demo.matrix_run import Tried
from authz_devkit.demo.mesh import EXAMPLE
from authz_devkit.demo.report import show_matrix

EVERY = load_matrix(EXAMPLE / "security_matrix.yaml")
CELLS = one_of_each(EVERY)


@pytest.mark.parametrize("as_expected", [True, False])
def test_the_matrix_breaks_no_word_in_80_columns(*, as_expected: bool) -> None:
    """Names, reasons and why stand there whole; what was expected only where something else came."""
    tried = [
        Tried(
            cell, Answer(cell.expected_status if as_expected else 418, cell.expected_reason, None, httpx.Headers(), 0)
        )
        for cell in CELLS
    ]
    file = io.StringIO()
    show_matrix(Console(file=file, width=80), tried, len(EVERY))
    lines = file.getvalue().splitlines()
    words = set(file.getvalue().split())

    assert max(map(len, lines)) <= 80
    assert {word for cell in CELLS for word in cell.because.split()} <= words
    assert {word for row in tried for word in row.outcome.split()} <= words
    assert ("✗" in words, "expected" in words) == ((False, False) if as_expected else (True, True))
