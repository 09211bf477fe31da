"""A real PostgreSQL for the session, and an empty database in it for whoever asks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import count

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from tests.support.demo_services import NewDatabase

from authz_devkit.demo.postgres import Postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


@pytest.fixture(scope="session")
def new_database(postgres: Postgres) -> NewDatabase:
    numbers = count(1)

    async def create(name: str) -> None:
        engine = create_async_engine(postgres.url, isolation_level="AUTOCOMMIT")
        async with engine.connect() as connection:
            await connection.execute(text(f"CREATE DATABASE {name}"))
        await engine.dispose()

    def new() -> str:
        name = f"shop{next(numbers)}"
        asyncio.run(create(name))
        return f"{postgres.url.rpartition('/')[0]}/{name}"

    return new
