"""What the matrix says where an answer hangs on something that nobody knows, and what changes between two meshes."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
from tests.unit.mesh.conftest import EXAMPLE, change

from authz_service.mesh.load import load_mesh
from authz_service.mesh.matrix.changes import changes
from authz_service.mesh.matrix.table import ANYBODY, Cell, Matrix, MatrixMaker, Row

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
    return next(one for one in rows[0].cells if (one.method, one.path) == (method, path))


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


SCOPES = 'scopes: ["data-service:read", "data-service:write"]'


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        (SCOPES, SCOPES.replace("write", "delete"), "invalid_scope"),
        ('client_id: "order-service"', 'client_id: "orders"', "invalid_client"),
        ('client_id: "order-service"', 'client_id: "data-service"', "unauthorized_client"),
    ],
)
def test_a_service_without_a_token_has_a_row_that_says_why(folder: Path, old: str, new: str, error: str) -> None:
    """At every sidecar, with every certificate; and no row where it has its token."""
    change(folder / "order-service/config.yaml", old, new)
    before, after = matrix_of(EXAMPLE), matrix_of(folder)

    assert {row.refused for table in before.sidecars for row in table.rows if "no token" in row.refused} == set()
    for table in after.sidecars:
        certificates = {row.caller.certificate for row in table.rows if row.caller.principal != ANYBODY}
        rows = [row for row in table.rows if row.refused == f"no token ({error})"]
        assert {row.caller.certificate for row in rows} == certificates


def test_what_a_service_loses_with_its_token_is_said(folder: Path) -> None:
    change(folder / "order-service/config.yaml", SCOPES, SCOPES.replace("write", "delete"))

    lost = [one for one in changes(matrix_of(EXAMPLE), matrix_of(folder)) if one.sidecar == "data-service"]

    assert {(one.kind, one.caller.principal, one.after.reason) for one in lost} == {
        ("lost", "order-service", "no token (invalid_scope)")
    }


def test_an_allowed_name_that_no_certificate_has_is_asked_for(folder: Path) -> None:
    """As assumed; one that a certificate has is not asked for twice."""
    file, there = folder / "order-service/config.yaml", '      - "CN=api-gateway-client,O=MyOrg"'
    change(file, there, f'{there}\n      - "CN=batch,O=MyOrg"')

    before, after = ({row.caller.certificate for row in _rows(mesh)} for mesh in (EXAMPLE, folder))

    assert after - before == {"O=MyOrg,CN=batch"}
    assert all(row.caller.assumed for row in _rows(folder) if row.caller.certificate == "O=MyOrg,CN=batch")
    assert before <= after


def test_a_name_that_a_certificate_has_is_not_asked_for_twice(example_copy: Path) -> None:
    """Though the list names it by its CN alone."""
    before = {row.caller.certificate for row in _rows(example_copy)}
    change(example_copy / "order-service/config.yaml", "CN=api-gateway-client,O=MyOrg", "CN=api-gateway-client")

    assert {row.caller.certificate for row in _rows(example_copy)} == before


def _rows(folder: Path) -> list[Row]:
    table = matrix_of(folder).find("order-service")
    assert table is not None
    return [*table.rows]


def test_a_new_user_is_a_gain(folder: Path) -> None:
    """Who was not there could do nothing."""
    change(
        folder / "realms/users-realm.json", '"realmRoles": ["customer"]', '"realmRoles": ["customer", "orders:create"]'
    )

    gained = {(one.caller.principal, one.path) for one in changes(matrix_of(EXAMPLE), matrix_of(folder))}

    assert ("victor", "/orders") in gained
