"""The sidecar's own HTTP surface: /livez /readyz /metrics /tokens /audit. Read only, local, and without a secret."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIEnvironment

log = logging.getLogger(__name__)

_TEXT = "text/plain; version=0.0.4; charset=utf-8"
_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Page:
    """What one path answers."""

    body: str
    status: HTTPStatus = HTTPStatus.OK
    content_type: str = _JSON


def json_page(value: object, status: HTTPStatus = HTTPStatus.OK) -> Page:
    return Page(json.dumps(value, indent=2, default=str) + "\n", status)


def text_page(text: str) -> Page:
    return Page(text, content_type=_TEXT)


class _Handler(WSGIRequestHandler):
    timeout = 5  # seconds for a slow client

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the library's
        log.debug("admin_request", extra={"fields": {"line": format % args}})


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class AdminServer:
    """Serves `pages` from a thread of its own. A page is made at each request."""

    def __init__(self, host: str, port: int, pages: dict[str, Callable[[], Page]]) -> None:
        self._pages = pages
        self._server = make_server(host, port, self._answer, server_class=_Server, handler_class=_Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="admin", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        page = self._page(str(environ.get("REQUEST_METHOD")), str(environ.get("PATH_INFO")))
        body = page.body.encode()
        headers = [
            ("Content-Type", page.content_type),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
        ]
        start_response(f"{page.status.value} {page.status.phrase}", headers)
        return [body]

    def _page(self, method: str, path: str) -> Page:
        make = self._pages.get(path)
        if make is None:
            return json_page({"error": "not found", "paths": sorted(self._pages)}, HTTPStatus.NOT_FOUND)
        if method not in {"GET", "HEAD"}:
            return json_page({"error": "read only"}, HTTPStatus.METHOD_NOT_ALLOWED)
        try:
            return make()
        except Exception:
            log.exception("admin_page_failed", extra={"fields": {"path": path}})
            return json_page({"error": "internal error, see the log"}, HTTPStatus.INTERNAL_SERVER_ERROR)
