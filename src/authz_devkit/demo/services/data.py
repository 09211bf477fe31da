"""The data service: inventory, orders and payments of the user in X-User-Context. Who calls is not its business."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from authz_devkit.demo.services.bodies import NewOrder, NewPayment, path_id, read_body, require_user
from authz_devkit.demo.services.problems import HANDLERS, Problem, answer_problem
from authz_devkit.demo.services.store import Store

_KEY = re.compile(r"[\x21-\x7e]{1,128}")


class DataService:
    """The endpoints."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def list_inventory(self, _request: Request) -> JSONResponse:
        return JSONResponse({"items": await self._store.products()})

    async def show_product(self, request: Request) -> JSONResponse:
        return JSONResponse(await self._store.product(path_id(request, missing="product_not_found")))

    async def create_order(self, request: Request) -> JSONResponse:
        owner = require_user(request, "X-User-Context")
        new = await read_body(request, NewOrder)
        return JSONResponse(await self._store.place_order(owner, new, idempotency_key(request)), 201)

    async def show_order(self, request: Request) -> JSONResponse:
        owner = require_user(request, "X-User-Context")
        return JSONResponse(await self._store.order(path_id(request, missing="order_not_found"), owner))

    async def create_payment(self, request: Request) -> JSONResponse:
        owner = require_user(request, "X-User-Context")
        new = await read_body(request, NewPayment)
        return JSONResponse(await self._store.pay(owner, new, idempotency_key(request)), 201)

    async def healthz(self, _request: Request) -> JSONResponse:
        await self._store.products()
        return JSONResponse({"status": "ok"})


def idempotency_key(request: Request) -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is not None and _KEY.fullmatch(key) is None:
        raise Problem("idempotency_key_invalid")
    return key


async def answer_database_failure(request: Request, _failure: Exception) -> JSONResponse:
    """Starlette's handler for a database that cannot be reached or is too busy."""
    return await answer_problem(request, Problem("database_unavailable"))


def build_app(store: Store, *, prefix: str = "") -> Starlette:
    """`prefix` is for running without sidecars: the path under which an egress offers the service, /data."""

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await store.create()
        yield
        await store.close()

    service = DataService(store)
    routes = [
        Route("/inventory", service.list_inventory),
        Route("/inventory/{id}", service.show_product),
        Route("/orders", service.create_order, methods=["POST"]),
        Route("/orders/{id}", service.show_order),
        Route("/payments", service.create_payment, methods=["POST"]),
        Route("/healthz", service.healthz),
    ]
    broken = dict.fromkeys((OperationalError, InterfaceError, PoolTimeoutError, OSError), answer_database_failure)
    return Starlette(
        routes=[Mount(prefix, routes=routes)] if prefix else routes,
        lifespan=lifespan,
        exception_handlers={**HANDLERS, **broken},
    )
