"""The payment service: pays an order of the user's, once. Keeps nothing itself."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from authz_devkit.demo.services.bodies import NewPayment, path_id, read_body, require_user
from authz_devkit.demo.services.data_client import DataClient
from authz_devkit.demo.services.frontend import frontend_app


class PaymentService:
    """The endpoints."""

    def __init__(self, data: DataClient) -> None:
        self._data = data

    async def create_payment(self, request: Request) -> JSONResponse:
        user = require_user(request, "X-User-ID")
        new = await read_body(request, NewPayment)
        await self._data.get(f"/orders/{new.order_id}", request, user)  # 404 unless it is the user's
        return JSONResponse(await self._data.post("/payments", request, user, new), 201)

    async def show_order(self, request: Request) -> JSONResponse:
        """The user's own order: data finds no other (correction 15)."""
        user = require_user(request, "X-User-ID")
        order_id = path_id(request, missing="order_not_found")
        return JSONResponse(await self._data.get(f"/orders/{order_id}", request, user))


def build_app(data: DataClient) -> Starlette:
    service = PaymentService(data)
    return frontend_app(
        data,
        [
            Route("/payments", service.create_payment, methods=["POST"]),
            Route("/orders/{id}", service.show_order),
        ],
    )
