"""The order service: checks the inventory, creates orders, shows an order to its owner. Keeps nothing itself."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from authz_devkit.demo.services.bodies import NewOrder, path_id, read_body, require_user
from authz_devkit.demo.services.data_client import DataClient
from authz_devkit.demo.services.frontend import frontend_app
from authz_devkit.demo.services.problems import Problem


class OrderService:
    """The endpoints."""

    def __init__(self, data: DataClient) -> None:
        self._data = data

    async def create_order(self, request: Request) -> JSONResponse:
        user = require_user(request, "X-User-ID")
        new = await read_body(request, NewOrder)
        product = await self._data.get(f"/inventory/{new.product_id}", request, user)
        # A repeated request may be the very one that took the last piece: only data knows, so with a key data decides.
        if product["available"] < new.quantity and "Idempotency-Key" not in request.headers:
            raise Problem("out_of_stock")
        return JSONResponse(await self._data.post("/orders", request, user, new), 201)

    async def show_order(self, request: Request) -> JSONResponse:
        """The user's own order: data finds no other (correction 15)."""
        user = require_user(request, "X-User-ID")
        order_id = path_id(request, missing="order_not_found")
        return JSONResponse(await self._data.get(f"/orders/{order_id}", request, user))

    async def show_product(self, request: Request) -> JSONResponse:
        user = require_user(request, "X-User-ID")
        product_id = path_id(request, missing="product_not_found")
        return JSONResponse(await self._data.get(f"/inventory/{product_id}", request, user))


def build_app(data: DataClient) -> Starlette:
    service = OrderService(data)
    return frontend_app(
        data,
        [
            Route("/orders", service.create_order, methods=["POST"]),
            Route("/orders/{id}", service.show_order),
            Route("/inventory/{id}", service.show_product),
        ],
    )
