"""One application for four servers: it answers 200 and logs what the server made of the request. See real_services.py.

Each request becomes a JSON line in the file REQUEST_LOG names.
"""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from aiohttp import web

_FILE = os.open(os.environ.get("REQUEST_LOG", os.devnull), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
_Message = dict[str, Any]


def _log(method: str, target: str, path: str, headers: Iterable[tuple[str, str]], body: int) -> None:
    """`target` as it came in, `path` as the server decoded it. One write, so that lines stay whole."""
    seen = {"method": method, "target": target, "path": path, "headers": list(headers), "body": body}
    os.write(_FILE, json.dumps(seen).encode() + b"\n")


async def asgi(
    scope: _Message, receive: Callable[[], Awaitable[_Message]], send: Callable[[_Message], Awaitable[None]]
) -> None:
    """For uvicorn and hypercorn."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    body = 0
    while True:
        message = await receive()
        body += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    target = scope.get("raw_path", b"").decode("latin-1")
    _log(scope.get("method", "WEBSOCKET"), target, scope["path"], headers, body)
    if scope["type"] == "websocket":
        await send({"type": "websocket.close"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


def wsgi(environ: _Message, start_response: Callable[..., object]) -> list[bytes]:
    """For gunicorn. Names are as CGI has them: `_` for `-`."""
    body = len(environ["wsgi.input"].read())
    headers = [
        (name.removeprefix("HTTP_").replace("_", "-").lower(), value)
        for name, value in environ.items()
        if name.startswith("HTTP_") or name in {"CONTENT_LENGTH", "CONTENT_TYPE"}
    ]
    target = environ["RAW_URI"].partition("?")[0]
    _log(environ["REQUEST_METHOD"], target, environ["PATH_INFO"], headers, body)
    start_response("200 OK", [("content-length", "2")])
    return [b"ok"]


def aiohttp_app(_: list[str]) -> web.Application:
    """For `python -m aiohttp.web`."""

    async def answer(request: web.Request) -> web.Response:
        body = len(await request.read())
        _log(request.method, request.raw_path.partition("?")[0], request.path, request.headers.items(), body)
        return web.Response(text="ok")

    application = web.Application()
    application.router.add_route("*", "/{rest:.*}", answer)
    return application
