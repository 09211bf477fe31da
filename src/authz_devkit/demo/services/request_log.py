"""One JSON line per request on standard output, with the sidecar's correlation id. Not the audit record."""

from __future__ import annotations

import json
import sys
import time

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class RequestLog:
    """ASGI middleware around a service."""

    def __init__(self, app: ASGIApp, service: str) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].endswith("/healthz"):
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()

        async def observe(message: Message) -> None:
            # Before the answer leaves: whoever has the answer finds its line.
            if message["type"] == "http.response.start":
                self._write(scope, message["status"], time.perf_counter() - started)
            await send(message)

        await self._app(scope, receive, observe)

    def _write(self, scope: Scope, status: int, seconds: float) -> None:
        headers = Headers(scope=scope)
        record = {
            "service": self._service,
            "method": scope["method"],
            "path": scope["path"],
            "status": status,
            "user": headers.get("X-User-ID") or headers.get("X-User-Context", ""),
            "correlation_id": headers.get("X-Correlation-ID", ""),
            "milliseconds": round(seconds * 1000, 1),
        }
        sys.stdout.write(json.dumps(record) + "\n")
        sys.stdout.flush()
