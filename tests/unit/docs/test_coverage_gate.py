"""The gate says what is below its floor, and where; a folder that is gone is no hundred per cent."""

from __future__ import annotations

from typing import Any

import pytest
from tests.coverage.__main__ import reached, shortfalls


def a_report(covered: int = 4, missing: tuple[int, ...] = ()) -> dict[str, Any]:
    summary = {
        "covered_lines": covered,
        "num_statements": covered + len(missing),
        "covered_branches": 2,
        "num_branches": 2,
    }
    file = {"summary": summary, "missing_lines": list(missing), "missing_branches": []}
    return {"files": {"src/authz_service/ingress/gate.py": file, "src/authz_service/ingress_else.py": file}}


def test_what_reaches_its_floor_passes() -> None:
    assert shortfalls(a_report(), {"authz_service/ingress": 100}) == []
    assert reached(a_report(), "authz_service/ingress") == (6, 6)


@pytest.mark.parametrize(
    ("report", "floors", "said"),
    [
        (a_report(missing=(7, 9)), {"authz_service/ingress": 100}, "gate.py:7,9"),
        (a_report(), {"authz_service/gone": 100}, "nothing was measured"),
    ],
)
def test_what_does_not_is_told_with_its_lines(report: dict[str, Any], floors: dict[str, float], said: str) -> None:
    (told,) = shortfalls(report, floors)

    assert said in told


def test_the_same_passes_a_lower_floor() -> None:
    assert shortfalls(a_report(missing=(7, 9)), {"authz_service/ingress": 75}) == []
