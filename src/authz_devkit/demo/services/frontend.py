"""What order and payment share: an application around a client of the data service. No endpoints but /healthz."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from authz_devkit.demo.services.data_client import DataClient
from authz_devkit.demo.services.problems import HANDLERS


async def healthz(_request: Request) -> JSONResponse:
    return JSONResponse({"status": "ok"})


def frontend_app(data: DataClient, routes: Sequence[Route]) -> Starlette:
    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        await data.close()

    return Starlette(routes=[*routes, Route("/healthz", healthz)], lifespan=lifespan, exception_handlers=HANDLERS)
