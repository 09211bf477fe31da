"""The sidecar's own HTTP surface: /livez /readyz /metrics /tokens /audit. Read only, and without a secret.

Whole on a loopback address; for other hosts, if they are to ask at all, only what kubelet and Prometheus need.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from socketserver import TCPServer, ThreadingMixIn
from typing import Any, TypeAlias
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIEnvironment

from authz_service.config.model import Admin
from authz_service.logs import about

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
    servers = [AdminServer(admin.addr.host, admin.addr.port, pages, local=True)]
    if admin.network_addr is not None:
        servers.append(AdminServer(admin.network_addr.host, admin.network_addr.port, network_pages))
    for server in servers:
        server.start()
    return servers


_MOST_AT_A_TIME = 32  # requests; a page takes milliseconds


class _Handler(WSGIRequestHandler):
    timeout = 5  # seconds for a slow client

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the library's
        log.debug("admin_request", extra=about(line=format % args))


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = _MOST_AT_A_TIME

    def __init__(self, *place: Any) -> None:
        self._open: deque[socket.socket] = deque()
        super().__init__(*place)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Where there are more than there is room for, the oldest goes: whoever trickles keeps no probe away."""
        self._open.append(request)
        if len(self._open) > _MOST_AT_A_TIME:
            with contextlib.suppress(OSError, IndexError):  # it has just ended
                self._open.popleft().shutdown(socket.SHUT_RDWR)
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            with contextlib.suppress(ValueError):
                self._open.remove(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the library's signature
        """Somebody hung up. The library's own prints a traceback."""
        log.debug("admin_connection_failed")

    def server_bind(self) -> None:
        """The library's also asks DNS for our full name, for 12 s where nobody answers (python/cpython#106505)."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()


class _Server6(_Server):
    address_family = socket.AF_INET6


class AdminServer:
    """Serves `pages` from a thread of its own. A page is made at each request.

    With `local` only who names this host as `Host` is answered: a page in a browser on it, whose name was bound to
    127.0.0.1 (DNS rebinding), names its own.
    """

    def __init__(self, host: str, port: int, pages: Pages, *, local: bool = False) -> None:
        self._pages = pages
        self._stopping = False
        self._names = {"localhost", "127.0.0.1", "[::1]", f"[{host}]" if ":" in host else host} if local else None
        kind = _Server6 if ":" in host else _Server
        self._server = make_server(host, port, self._answer, server_class=kind, handler_class=_Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="admin", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping = True
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        name = re.sub(r":[0-9]*$", "", str(environ.get("HTTP_HOST", "")).lower())
        if name and self._names is not None and name not in self._names:
            page = json_page({"error": "name this host as Host"}, HTTPStatus.MISDIRECTED_REQUEST)
        else:
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
            if self._stopping:  # whom the page asks is gone
                return json_page({"error": "stopping"}, HTTPStatus.SERVICE_UNAVAILABLE)
            log.exception("admin_page_failed", extra=about(path=path))
            return json_page({"error": "internal error, see the log"}, HTTPStatus.INTERNAL_SERVER_ERROR)
