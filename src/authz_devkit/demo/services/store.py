"""The data service's tables and queries: portable SQL, each change in one transaction. Not HTTP."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    ForeignKey,
    Integer,
    MetaData,
    Select,
    String,
    Table,
    Text,
    event,
    insert,
    select,
    update,
)
from sqlalchemy.engine import make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from authz_devkit.demo.services import schema
from authz_devkit.demo.services.bodies import NewOrder, NewPayment
from authz_devkit.demo.services.problems import Problem

Row = dict[str, Any]

metadata = MetaData()  # as `migrations` leave it; a test compares
inventory = Table(
    "inventory",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("unit_price", Integer, nullable=False),  # cents
    Column("available", Integer, CheckConstraint("available >= 0"), nullable=False),
)
orders = Table(
    "orders",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("owner", String(255), nullable=False),
    Column("product_id", ForeignKey("inventory.id"), nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("total", Integer, nullable=False),  # cents
    Column("status", String(16), nullable=False),  # created | paid
)
payments = Table(
    "payments",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("order_id", ForeignKey("orders.id"), nullable=False, unique=True),
    Column("amount", Integer, nullable=False),  # cents
)
# The first answer to each Idempotency-Key; the key belongs to one user and one kind of request.
first_answers = Table(
    "first_answers",
    metadata,
    Column("owner", String(255), primary_key=True),
    Column("operation", String(16), primary_key=True),
    Column("idempotency_key", String(128), primary_key=True),
    Column("request", Text, nullable=False),
    Column("answer", Text, nullable=False),
)

SEED = (
    {"id": "PROD-123", "name": "Mechanical keyboard", "unit_price": 8900, "available": 100},
    {"id": "PROD-456", "name": "Desk lamp", "unit_price": 3450, "available": 25},
    {"id": "PROD-777", "name": "Last one on the shelf", "unit_price": 199900, "available": 1},
    {"id": "PROD-000", "name": "Sold out", "unit_price": 100, "available": 0},
    {"id": "PROD-BULK", "name": "Paper clip", "unit_price": 1, "available": 1_000_000},
)


class Store:
    """Inventory, orders and payments. Methods raise Problem when the answer is no."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._reader = engine.execution_options(read_only=True)

    async def create(self) -> None:
        """Bring the tables up to date, and the demo's products in."""
        async with self._engine.begin() as connection:
            await connection.run_sync(schema.upgrade)
            known = set((await connection.execute(select(inventory.c.id))).scalars())
            missing = [product for product in SEED if product["id"] not in known]
            if missing:
                await connection.execute(insert(inventory), missing)

    async def close(self) -> None:
        await self._engine.dispose()

    async def products(self) -> list[Row]:
        async with self._reader.connect() as connection:
            return [
                dict(row) for row in (await connection.execute(select(inventory).order_by(inventory.c.id))).mappings()
            ]

    async def product(self, product_id: str) -> Row:
        async with self._reader.connect() as connection:
            return await _require(
                connection, select(inventory).where(inventory.c.id == product_id), "product_not_found"
            )

    async def order(self, order_id: str, owner: str) -> Row:
        """The owner's order; another user's order does not exist for him."""
        async with self._reader.connect() as connection:
            return await _require(connection, _owned(order_id, owner), "order_not_found")

    async def place_order(self, owner: str, new: NewOrder, key: str | None) -> Row:
        """Reserve the stock and create the order, both or neither."""

        async def work(connection: AsyncConnection) -> Row:
            # The condition and the change are one statement, so that two orders cannot both take the last piece.
            reserved = await connection.execute(
                update(inventory)
                .where(inventory.c.id == new.product_id, inventory.c.available >= new.quantity)
                .values(available=inventory.c.available - new.quantity)
            )
            product = await _require(
                connection, select(inventory).where(inventory.c.id == new.product_id), "product_not_found"
            )
            if reserved.rowcount == 0:
                raise Problem("out_of_stock")
            total = product["unit_price"] * new.quantity
            order = {"id": uuid4().hex, "owner": owner, **new.model_dump(), "total": total, "status": "created"}
            await connection.execute(insert(orders).values(order))
            return order

        return await self._once(owner, "order", key, new.model_dump_json(), work)

    async def pay(self, owner: str, new: NewPayment, key: str | None) -> Row:
        """Mark the owner's order paid and record the payment, both or neither."""

        async def work(connection: AsyncConnection) -> Row:
            paid = await connection.execute(
                update(orders)
                .where(orders.c.id == new.order_id, orders.c.owner == owner, orders.c.status == "created")
                .values(status="paid")
            )
            order = await _require(connection, _owned(new.order_id, owner), "order_not_found")
            if paid.rowcount == 0:
                raise Problem("already_paid")
            if new.amount not in (None, order["total"]):
                raise Problem("amount_mismatch")
            payment = {"id": uuid4().hex, "order_id": order["id"], "amount": order["total"]}
            await connection.execute(insert(payments).values(payment))
            return payment

        return await self._once(owner, "payment", key, new.model_dump_json(), work)

    async def _once(
        self,
        owner: str,
        operation: str,
        key: str | None,
        request: str,
        work: Callable[[AsyncConnection], Awaitable[Row]],
    ) -> Row:
        """The answer of `work`, done in one transaction and once per key."""
        try:
            return await self._try_once(owner, operation, key, request, work)
        except IntegrityError:
            # The same key at the same moment in another transaction, which was first: now its answer is there.
            return await self._try_once(owner, operation, key, request, work)

    async def _try_once(
        self,
        owner: str,
        operation: str,
        key: str | None,
        request: str,
        work: Callable[[AsyncConnection], Awaitable[Row]],
    ) -> Row:
        async with self._engine.begin() as connection:
            if key is None:
                return await work(connection)
            identity = {"owner": owner, "operation": operation, "idempotency_key": key}
            first = (await connection.execute(select(first_answers).filter_by(**identity))).mappings().first()
            if first is None:
                answer = await work(connection)
                await connection.execute(
                    insert(first_answers).values(**identity, request=request, answer=json.dumps(answer))
                )
                return answer
        if first["request"] != request:
            raise Problem("idempotency_key_reused")
        repeated: Row = json.loads(first["answer"])
        return repeated


def open_engine(url: str) -> AsyncEngine:
    """An engine for DATABASE_URL, for example sqlite+aiosqlite:///orders.db or postgresql+asyncpg://user@host/name."""
    if make_url(url).get_backend_name() != "sqlite":
        return create_async_engine(url, pool_pre_ping=True)
    engine = create_async_engine(url, connect_args={"timeout": 30})  # seconds to wait for another writer
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: DBAPIConnection, _record: object) -> None:
    connection.isolation_level = None  # the driver shall not begin transactions on its own: see _begin_sqlite
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A writer takes the lock at once and waits for it: to read first and write later can fail ("database is locked").
    read_only = connection.get_execution_options().get("read_only", False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


def _owned(order_id: str, owner: str) -> Select[Any]:
    return select(orders).where(orders.c.id == order_id, orders.c.owner == owner)


async def _require(connection: AsyncConnection, query: Select[Any], missing: str) -> Row:
    row = (await connection.execute(query)).mappings().first()
    if row is None:
        raise Problem(missing)
    return dict(row)
