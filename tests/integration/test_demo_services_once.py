"""What must happen once happens once: races for the stock, repeated requests, second payments, restarts."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from uuid import uuid4

import httpx
import pytest
from tests.support.demo_services import (
    FOR_JOHN,
    JOHN,
    MARY,
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


def test_of_200_orders_at_once_for_50_pieces_exactly_50_succeed(tmp_path: Path, new_database: NewDatabase) -> None:
    """Two data processes on one database, half of the orders by the order service: 50 times 2 of 100."""
    database = new_database()
    with open_shop(tmp_path, database) as shop, running("data", tmp_path, DATABASE_URL=database) as second:

        async def buy_all() -> list[httpx.Response]:
            async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as client:
                targets = [(str(shop.order.base_url), JOHN), (second, FOR_JOHN)]
                calls = [
                    client.post(f"{url}/orders", json=an_order("PROD-123"), headers=who) for url, who in targets * 100
                ]
                return await asyncio.gather(*calls)

        answers = asyncio.run(buy_all())

        bought = [answer.json()["id"] for answer in answers if answer.status_code == 201]
        assert len(bought) == len(set(bought)) == 50
        assert {code(answer) for answer in answers if answer.status_code != 201} == {"out_of_stock"}
        assert available(shop, "PROD-123") == 0
        assert all(shop.order.get(f"/orders/{order_id}", headers=JOHN).status_code == 200 for order_id in bought)


def test_a_repeated_order_with_its_key_is_the_same_order(shop: Shop) -> None:
    """Same key and body: the first answer again, nothing taken twice, also when it took the last piece."""
    key = {**JOHN, "Idempotency-Key": uuid4().hex}
    first = shop.order.post("/orders", json=an_order("PROD-777", 1), headers=key)
    again = shop.order.post("/orders", json=an_order("PROD-777", 1), headers=key)

    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert available(shop, "PROD-777") == 0
    assert code(shop.order.post("/orders", json=an_order("PROD-777", 2), headers=key)) == "idempotency_key_reused"
    other = {**JOHN, "Idempotency-Key": uuid4().hex}
    assert code(shop.order.post("/orders", json=an_order("PROD-777", 1), headers=other)) == "out_of_stock"


def test_a_key_belongs_to_one_user_and_one_operation(shop: Shop) -> None:
    """Mary with John's key makes her own order; paying with an order's key pays; without a key each is new."""
    key = uuid4().hex
    johns = placed(shop, **{"Idempotency-Key": key})

    marys = shop.order.post("/orders", json=an_order(), headers={**MARY, "Idempotency-Key": key}).json()
    assert marys["id"] != johns
    assert marys["owner"] == "mary-sub"
    paid = shop.payment.post("/payments", json={"order_id": johns}, headers={**JOHN, "Idempotency-Key": key})
    assert paid.status_code == 201
    assert paid.json()["order_id"] == johns
    assert placed(shop) != placed(shop)


def test_the_same_key_twenty_times_at_once_is_one_order(shop: Shop) -> None:
    """Whoever comes second gets the first one's answer."""
    before = available(shop, "PROD-BULK")
    headers = {**JOHN, "Idempotency-Key": uuid4().hex}

    async def race() -> list[httpx.Response]:
        async with httpx.AsyncClient(base_url=shop.order.base_url, trust_env=False, timeout=PATIENCE) as client:
            return await asyncio.gather(*(client.post("/orders", json=an_order(), headers=headers) for _ in range(20)))

    answers = asyncio.run(race())
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert available(shop, "PROD-BULK") == before - 2


@pytest.mark.parametrize("key", ["", "two words", "x" * 129])
def test_a_key_that_is_none_is_refused(shop: Shop, key: str) -> None:
    """Visible ASCII, 1 to 128 characters."""
    assert (
        shop.order.post("/orders", json=an_order(), headers={**JOHN, "Idempotency-Key": "x" * 128}).status_code == 201
    )
    answer = shop.order.post("/orders", json=an_order(), headers={**JOHN, "Idempotency-Key": key})
    assert code(answer) == "idempotency_key_invalid"


def test_an_order_is_paid_once(shop: Shop) -> None:
    """Of twenty payments at once one succeeds, a later one is 409, a repeat with the key gets the first answer."""
    order_id = placed(shop)

    async def race() -> list[httpx.Response]:
        async with httpx.AsyncClient(base_url=shop.payment.base_url, trust_env=False, timeout=PATIENCE) as client:
            keys = [{**JOHN, "Idempotency-Key": f"{order_id}-{n}"} for n in range(20)]
            return await asyncio.gather(
                *(client.post("/payments", json={"order_id": order_id}, headers=k) for k in keys)
            )

    answers = asyncio.run(race())
    won = [n for n, answer in enumerate(answers) if answer.status_code == 201]
    assert len(won) == 1
    assert {code(answer) for answer in answers if answer.status_code != 201} == {"already_paid"}
    first = answers[won[0]]
    again = shop.payment.post("/payments", json={"order_id": order_id}, headers={**JOHN, **key_of(first)})
    assert again.status_code == 201
    assert again.json() == first.json()
    assert code(shop.payment.post("/payments", json={"order_id": order_id}, headers=JOHN)) == "already_paid"
    assert shop.order.get(f"/orders/{order_id}", headers=JOHN).json()["status"] == "paid"


def key_of(answer: httpx.Response) -> dict[str, str]:
    return {"Idempotency-Key": answer.request.headers["Idempotency-Key"]}


def test_orders_outlive_the_data_service(tmp_path: Path, new_database: NewDatabase) -> None:
    """A restart creates nothing anew: neither the stock that was sold nor the first answers are forgotten."""
    database = new_database()
    headers = {**FOR_JOHN, "Idempotency-Key": "k"}
    answers = []
    for _ in range(2):
        with (
            running("data", tmp_path, DATABASE_URL=database) as url,
            httpx.Client(base_url=url, trust_env=False, timeout=PATIENCE) as data,
        ):
            answers.append(data.post("/orders", json=an_order("PROD-456", 25), headers=headers).json())
            assert data.get(f"/orders/{answers[0]['id']}", headers=FOR_JOHN).json() == answers[0]
            assert data.get("/inventory/PROD-456").json()["available"] == 0
    assert answers[0] == answers[1]
