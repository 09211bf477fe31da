"""The three demo services as plain processes, without sidecars: order and payment call data, served below /data."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING
from uuid import uuid4

import httpx
import pytest
from tests.support.demo_services import (
    FOR_JOHN,
    JOHN,
    MARY,
    UNKNOWN,
    NewDatabase,
    Shop,
    an_order,
    available,
    code,
    open_shop,
    placed,
    running,
)
from tests.support.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, new_database: NewDatabase) -> Iterator[Shop]:
    with open_shop(tmp_path_factory.mktemp("shop"), new_database()) as shop:
        yield shop


def test_an_order_is_created_and_takes_its_stock(shop: Shop) -> None:
    """The spec's example: two pieces of PROD-123."""
    before = available(shop, "PROD-123")
    answer = shop.order.post("/orders", json=an_order("PROD-123"), headers=JOHN)

    assert answer.status_code == 201
    created = answer.json()
    assert created == {
        "id": created["id"],
        "owner": "john-sub",
        "product_id": "PROD-123",
        "quantity": 2,
        "total": 17800,
        "status": "created",
    }
    assert available(shop, "PROD-123") == before - 2
    assert shop.order.get(f"/orders/{created['id']}", headers=JOHN).json() == created
    assert shop.payment.get(f"/orders/{created['id']}", headers=JOHN).json() == created


def test_an_order_exists_for_its_owner_only(shop: Shop) -> None:
    """Another user gets what an unknown order gives, at each of the three services."""
    order_id = placed(shop)

    for service in (shop.order, shop.payment):
        assert service.get(f"/orders/{order_id}", headers=JOHN).status_code == 200
        strange, unknown = (service.get(f"/orders/{o}", headers=MARY) for o in (order_id, UNKNOWN))
        assert code(strange) == "order_not_found"
        assert strange.content == unknown.content
    assert shop.data.get(f"/orders/{order_id}", headers=FOR_JOHN).status_code == 200
    assert code(shop.data.get(f"/orders/{order_id}", headers={"X-User-Context": "mary-sub"})) == "order_not_found"
    assert code(shop.payment.post("/payments", json={"order_id": order_id}, headers=MARY)) == "order_not_found"
    assert code(shop.data.post("/payments", json={"order_id": order_id}, headers={"X-User-Context": "mary-sub"})) == (
        "order_not_found"
    )


@pytest.mark.parametrize(
    ("product", "quantity", "expected"),
    [("PROD-456", 26, "out_of_stock"), ("PROD-000", 1, "out_of_stock"), ("NONE", 1, "product_not_found")],
)
def test_stock_that_is_short_is_not_sold(shop: Shop, product: str, quantity: int, expected: str) -> None:
    """Neither the order service's look at the inventory nor data's own condition lets it pass, and nothing is taken."""
    keyed = {**JOHN, "Idempotency-Key": uuid4().hex}
    for service, headers in ((shop.order, JOHN), (shop.order, keyed), (shop.data, FOR_JOHN)):
        assert code(service.post("/orders", json=an_order(product, quantity), headers=headers)) == expected
    assert available(shop, "PROD-456") == 25


def test_a_wrong_amount_is_refused_and_leaves_the_order_unpaid(shop: Shop) -> None:
    """The amount is the order's total or absent."""
    order_id = placed(shop)

    assert (
        code(shop.payment.post("/payments", json={"order_id": order_id, "amount": 1}, headers=JOHN))
        == "amount_mismatch"
    )
    assert shop.order.get(f"/orders/{order_id}", headers=JOHN).json()["status"] == "created"
    right = shop.payment.post("/payments", json={"order_id": order_id, "amount": 2}, headers=JOHN)
    assert (right.status_code, right.json()["amount"]) == (201, 2)


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (b"", 400, ""),
        (b"{", 400, ""),
        (b"\xff", 400, ""),
        (b"[]", 422, ""),
        (b"{}", 422, "product_id quantity"),
        (b'{"product_id": "PROD-123"}', 422, "quantity"),
        (b'{"product_id": "PROD-123", "quantity": -1}', 422, "quantity"),
        (b'{"product_id": "PROD-123", "quantity": 0}', 422, "quantity"),
        (b'{"product_id": "PROD-123", "quantity": 1001}', 422, "quantity"),
        (b'{"product_id": "PROD-123", "quantity": 1' + b"0" * 400 + b"}", 422, "quantity"),
        (b'{"product_id": "PROD-123", "quantity": "2"}', 422, "quantity"),
        (b'{"product_id": "PROD-123", "quantity": 2.5}', 422, "quantity"),
        (b'{"product_id": "PROD-123", "quantity": true}', 422, "quantity"),
        (b'{"product_id": "../orders", "quantity": 1}', 422, "product_id"),
        (b'{"product_id": "PROD-123\\n", "quantity": 1}', 422, "product_id"),
        (b'{"product_id": 5, "quantity": 1}', 422, "product_id"),
        (b'{"product_id": "PROD-123", "quantity": 1, "price": 0}', 422, "price"),
        (b'{"product_id": "PROD-123", "quantity": 1' + b" " * 65536 + b"}", 413, ""),
    ],
)
def test_a_wrong_body_is_refused_with_the_field_that_is_wrong(shop: Shop, body: bytes, status: int, field: str) -> None:
    """At the order service and at the data service alike; the good twin passes in every other test."""
    for service in (shop.order, shop.data):
        answer = service.post("/orders", content=body, headers={**JOHN, **FOR_JOHN})
        assert answer.status_code == status
        assert code(answer) in {"body_malformed", "body_invalid", "body_too_large"}
        if status == 422:
            assert " ".join(error["field"] for error in answer.json()["errors"]) == field


@pytest.mark.parametrize("amount", [0, -1, "1", 1.5])
def test_a_wrong_amount_names_the_amount(shop: Shop, amount: object) -> None:
    """Cents, whole and positive."""
    answer = shop.payment.post("/payments", json={"order_id": UNKNOWN, "amount": amount}, headers=JOHN)
    assert code(answer) == "body_invalid"
    assert [error["field"] for error in answer.json()["errors"]] == ["amount"]


def test_without_a_user_nothing_is_done(shop: Shop) -> None:
    """The sidecar sets X-User-ID; the calling service sets X-User-Context; neither is guessed."""
    calls = [
        shop.order.post("/orders", json=an_order(), headers=FOR_JOHN),
        shop.order.get(f"/orders/{UNKNOWN}", headers={"X-User-ID": "john sub"}),
        shop.order.get("/inventory/PROD-123"),
        shop.payment.post("/payments", json={"order_id": UNKNOWN}, headers={"X-User-ID": "x" * 256}),
        shop.payment.get(f"/orders/{UNKNOWN}"),
        shop.data.post("/orders", json=an_order(), headers=JOHN),
        shop.data.get(f"/orders/{UNKNOWN}", headers=JOHN),
        shop.data.post("/payments", json={"order_id": UNKNOWN}, headers=JOHN),
    ]
    assert {code(answer) for answer in calls} == {"user_unknown"}


def test_inventory_is_shown(shop: Shop) -> None:
    """One product at order and data, all at data."""
    shown = shop.order.get("/inventory/PROD-456", headers=JOHN).json()
    assert shown == {"id": "PROD-456", "name": "Desk lamp", "unit_price": 3450, "available": 25}
    assert shown in shop.data.get("/inventory").json()["items"]
    assert code(shop.order.get("/inventory/PROD-NONE", headers=JOHN)) == "product_not_found"


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/admin", 404), ("DELETE", "/orders", 405), ("GET", "/orders", 405)]
)
def test_what_is_not_served_is_a_problem_too(shop: Shop, method: str, path: str, status: int) -> None:
    """Starlette's own answers are problem details as well."""
    for service in (shop.order, shop.data):
        answer = service.request(method, path, headers=JOHN)
        assert (answer.status_code, code(answer)) == (status, "not_served")


def test_user_and_correlation_id_reach_the_data_service_and_the_logs(shop: Shop) -> None:
    """One id joins the lines of both services; a user context that the caller sends to order is not believed."""
    correlation = f"req-{uuid4().hex}"
    placed(shop, **{"X-Correlation-ID": correlation, "X-User-Context": "mallory"})

    lines = [json.loads(line) for log in shop.logs.glob("*.log") for line in log.read_text().splitlines()]
    seen = [(line["service"], line["method"], line["user"]) for line in lines if line["correlation_id"] == correlation]
    assert sorted(seen) == [
        ("data-service", "GET", "john-sub"),
        ("data-service", "POST", "john-sub"),
        ("order-service", "POST", "john-sub"),
    ]


def test_a_database_that_fails_is_503(tmp_path: Path) -> None:
    """Not 500, and nothing of the driver's words."""
    with running("data", tmp_path, DATABASE_URL=f"sqlite+aiosqlite:///{tmp_path}/data.db") as url:
        assert httpx.get(f"{url}/inventory", trust_env=False, timeout=PATIENCE).status_code == 200
        with closing(sqlite3.connect(tmp_path / "data.db")) as vandal:
            vandal.execute("ALTER TABLE inventory RENAME TO gone")
        for answer in (
            httpx.get(f"{url}/{path}", trust_env=False, timeout=PATIENCE) for path in ("inventory", "healthz")
        ):
            assert (code(answer), answer.headers["Retry-After"]) == ("database_unavailable", "1")
            assert "inventory" not in answer.text
