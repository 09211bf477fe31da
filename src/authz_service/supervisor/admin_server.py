"""The sidecar's own HTTP surface: /livez /readyz /metrics /tokens /audit. Read only, and without a secret.

Whole on a loopback address; for other hosts, if they are to ask at all, only what kubelet and Prometheus need.
"""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from socketserver import TCPServer, ThreadingMixIn
from typing import TypeAlias
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIEnvironment

from authz_service.config.model import Admin

log = logging.getLogger(__name__)

_TEXT = "text/plain; version=0.0.4; charset=utf-8"
_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Page:
    """What one path answers."""

    body: str
    status: HTTPStatus = HTTPStatus.OK
    content_type: str = _JSON


Pages: TypeAlias = Mapping[str, Callable[[], Page]]


def json_page(value: object, status: HTTPStatus = HTTPStatus.OK) -> Page:
    return Page(json.dumps(value, indent=2, default=str) + "\n", status)


def text_page(text: str) -> Page:
    return Page(text, content_type=_TEXT)


def start_admin(admin: Admin, pages: Pages, network_pages: Pages) -> list[AdminServer]:
    """The servers that the configuration asks for, serving."""
    servers = [AdminServer(admin.addr.host, admin.addr.port, pages)]
    if admin.network_addr is not None:
        servers.append(AdminServer(admin.network_addr.host, admin.network_addr.port, network_pages))
    for server in servers:
        server.start()
    return servers


class _Handler(WSGIRequestHandler):
    timeout = 5  # seconds for a slow client

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the library's
        log.debug("admin_request", extra={"fields": {"line": format % args}})


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def server_bind(self) -> None:
        """The library's also asks DNS for our full name, for 12 s where nobody answers (python/cpython#106505)."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()


class _Server6(_Server):
    address_family = socket.AF_INET6


class AdminServer:
    """Serves `pages` from a thread of its own. A page is made at each request."""

    def __init__(self, host: str, port: int, pages: Pages) -> None:
        self._pages = pages
        kind = _Server6 if ":" in host else _Server
        self._server = make_server(host, port, self._answer, server_class=kind, handler_class=_Handler)
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
