"""Orders per second through the order and the data service, without sidecars: SQLite beside PostgreSQL.

    python -m bench.orders

Twenty buyers at once, each waits for its answer. It says what the demo's databases do, not what authorisation costs.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path

import httpx
from tests.support.demo_services import JOHN, an_order, open_shop

from authz_devkit.demo.postgres import Postgres

_BUYERS, _SECONDS = 20, 5.0


async def _buy(url: httpx.URL) -> float:
    """Orders per second."""
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as client:
        began = time.perf_counter()

        async def buyer() -> int:
            placed = 0
            while time.perf_counter() - began < _SECONDS:
                answer = await client.post("/orders", json=an_order(), headers=JOHN)
                answer.raise_for_status()
                placed += 1
            return placed

        return sum(await asyncio.gather(*(buyer() for _ in range(_BUYERS)))) / (time.perf_counter() - began)


def _measured(database: str) -> float:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, open_shop(Path(folder), database) as shop:
        return asyncio.run(_buy(shop.order.base_url))


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, Postgres() as server:
        for name, url in (("SQLite", f"sqlite+aiosqlite:///{folder}/data.db"), ("PostgreSQL", server.url)):
            print(f"{name:12}{_measured(url):8.0f} orders/s")


if __name__ == "__main__":
    main()
