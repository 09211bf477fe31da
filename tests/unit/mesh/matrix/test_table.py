"""What the matrix says where an answer hangs on something that nobody knows, and what changes between two meshes."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
from tests.unit.mesh.conftest import EXAMPLE, change

from authz_service.mesh.load import load_mesh
from authz_service.mesh.matrix.changes import changes
from authz_service.mesh.matrix.table import Cell, Matrix, MatrixMaker

ORDER_REGO = "order-service/policies/order.rego"
# Monday, 2026-11-30 12:00 UTC: the time of day in the policies below holds then, and at no other time that is tried.
NOON = 1796040000.0
_CHECK = '\tinput.request.method == "GET"\n\tinput.request.segments[0] in ["orders", "inventory"]\n'


def matrix_of(folder: Path, now: float | None = None) -> Matrix:
    return MatrixMaker(load_mesh(folder), time.time() if now is None else now).make()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Without certificates."""
    shutil.copytree(EXAMPLE, tmp_path / "mesh")
    return tmp_path / "mesh"


def cell(matrix: Matrix, principal: str, method: str, path: str, sidecar: str = "order-service") -> Cell:
    table = matrix.find(sidecar)
    assert table is not None
    rows = [row for row in table.rows if row.caller.principal == principal and row.cells]
    return next(one for one in rows[0].cells if one[:2] == (method, path))


def test_a_plain_answer_has_no_condition() -> None:
    matrix = matrix_of(EXAMPLE)

    assert cell(matrix, "john", "POST", "/orders") == Cell("POST", "/orders", "allow")
    assert cell(matrix, "victor", "POST", "/orders") == Cell(
        "POST", "/orders", "deny", "policy_denied", "order-service"
    )


def test_a_gateway_s_cell_is_what_comes_of_the_request_in_the_end() -> None:
    """The gateway lets victor's order pass; order-service does not."""
    found = cell(matrix_of(EXAMPLE), "victor", "POST", "/api/v1/orders", "api-gateway")

    assert (found.answer, found.reason, found.by) == ("deny", "policy_denied", "order-service")


@pytest.mark.parametrize(
    ("line", "condition"),
    [
        ("\tinput.request.segments[1] == input.token.sub\n", "if {id} is the caller's own sub"),
        ("\tinput.request.segments[1] != input.token.sub\n", "unless {id} is the caller's own sub"),
        ('\tinput.headers["X-Plan"] != ""\n', "if X-Plan is sent"),
        ('\tnot input.headers["X-Plan"]\n', "unless X-Plan is sent"),
        ("\ttime.clock(time.now_ns())[0] == 12\n", "at some times only"),
    ],
)
def test_what_nobody_knows_is_said(folder: Path, line: str, condition: str) -> None:
    """An id, a header, the time; each way."""
    change(folder / ORDER_REGO, _CHECK, _CHECK + line)
    change(folder / "order-service/config.yaml", '- "X-Correlation-ID"', '- "X-Correlation-ID"\n      - "X-Plan"')

    found = cell(matrix_of(folder, NOON), "john", "GET", "/orders/{id}")

    assert (found.answer, found.conditions) == ("if", (condition,))


def test_a_policy_that_cannot_be_loaded_is_not_judged(folder: Path) -> None:
    """And said so; the others are."""
    change(folder / ORDER_REGO, "default allow := false", "default allow := nothing")

    found = matrix_of(folder).find("order-service")

    assert found is not None
    assert "order.rego:6" in found.unjudged
    assert cell(matrix_of(folder), "order-service", "POST", "/orders", "data-service").answer == "allow"


def test_what_is_gained_and_lost_is_exactly_that(folder: Path) -> None:
    """A role more in one rule, a method less in another; the gateway shows what follows from it."""
    change(folder / ORDER_REGO, '"orders:create" in', '"customer" in')
    change(folder / "data-service/policies/dataservice.rego", '["read-orders", "write-payments"]', '["read-orders"]')

    found = changes(matrix_of(EXAMPLE), matrix_of(folder))

    assert {(one.kind, one.sidecar, one.caller.principal, one.method, one.path) for one in found} == {
        ("gained", "order-service", "victor", "POST", "/orders"),
        ("gained", "api-gateway", "victor", "POST", "/api/v1/orders"),
        ("lost", "data-service", "payment-service", "POST", "/payments"),
    }


def test_nothing_changes_between_equal_meshes() -> None:
    assert changes(matrix_of(EXAMPLE), matrix_of(EXAMPLE)) == []


def test_a_new_user_is_a_gain(folder: Path) -> None:
    """Who was not there could do nothing."""
    change(
        folder / "realms/users-realm.json", '"realmRoles": ["customer"]', '"realmRoles": ["customer", "orders:create"]'
    )

    gained = {(one.caller.principal, one.path) for one in changes(matrix_of(EXAMPLE), matrix_of(folder))}

    assert ("victor", "/orders") in gained
