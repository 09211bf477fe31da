"""PostgreSQL dies in the middle of the work, as in a power cut, and comes back: nothing is lost or done twice."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import uuid4

import httpx
from tests.support.demo_services import JOHN, NewDatabase, Shop, an_order, available, code, open_shop
from tests.support.patience import PATIENCE

from authz_devkit.demo.postgres import Postgres

BUYERS, ORDERS_EACH, KILLS = 20, 15, 3
_ATTEMPTS = 400


async def bought(client: httpx.AsyncClient, key: str) -> tuple[str, int]:
    """The order of this key, asked for until there is an answer; and how often the database was not there."""
    for unavailable in range(_ATTEMPTS):
        answer = await client.post("/orders", json=an_order(), headers={**JOHN, "Idempotency-Key": key})
        if answer.status_code == 201:
            return answer.json()["id"], unavailable
        assert answer.status_code in {502, 503}, answer.text  # the order service's word for it, or the data service's
        await asyncio.sleep(0.05)
    raise AssertionError("never available again")


async def buy_through_deaths(shop: Shop, postgres: Postgres) -> tuple[list[str], int]:
    async with httpx.AsyncClient(base_url=shop.order.base_url, trust_env=False, timeout=PATIENCE) as client:

        async def buyer() -> list[tuple[str, int]]:
            return [await bought(client, uuid4().hex) for _ in range(ORDERS_EACH)]

        work = asyncio.gather(*(buyer() for _ in range(BUYERS)))
        for _ in range(KILLS):
            await asyncio.sleep(0.4)
            await asyncio.to_thread(postgres.kill)
            await asyncio.sleep(0.3)
            postgres.start()  # not in a thread: the server ends with the thread that started it
        found = [pair for pairs in await work for pair in pairs]
    return [order for order, _ in found], sum(unavailable for _, unavailable in found)


def test_no_order_is_lost_or_doubled_by_a_database_that_is_killed(
    tmp_path: Path, postgres: Postgres, new_database: NewDatabase
) -> None:
    """Each key has one order, each order took its stock once, and every order can still be read."""
    with open_shop(tmp_path, new_database()) as shop:
        before = available(shop, "PROD-BULK")

        orders, unavailable = asyncio.run(buy_through_deaths(shop, postgres))

        assert unavailable > 0  # else it did not die in the middle of the work
        assert len(set(orders)) == len(orders) == BUYERS * ORDERS_EACH
        assert before - available(shop, "PROD-BULK") == 2 * len(orders)
        assert all(shop.order.get(f"/orders/{order}", headers=JOHN).status_code == 200 for order in orders)


def test_without_the_database_the_answer_is_503_and_with_it_200_again(
    tmp_path: Path, postgres: Postgres, new_database: NewDatabase
) -> None:
    with open_shop(tmp_path, new_database()) as shop:
        assert shop.data.get("/inventory/PROD-123").status_code == 200
        postgres.kill()
        try:
            answer = shop.data.get("/inventory/PROD-123")
            assert (code(answer), answer.headers["Retry-After"]) == ("database_unavailable", "1")
        finally:
            postgres.start()
        assert shop.data.get("/inventory/PROD-123").status_code == 200
