"""A real HTTP or HTTPS server whose answers a test scripts: slow, broken off, huge, wrong, gone. No event loop.

with FaultyServer(tls=(cert_file, key_file)) as server:
    server.script("/token", Answer(status=500), Answer(body=b'{"access_token": ...}'))  # the last one stays
    ... server.url("/token") ...
    assert len(server.seen("/token")) == 2
    server.go_down()   # connections are refused from here on
    server.come_up()   # on the same port
"""

import json
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self


@dataclass(frozen=True)
class Answer:
    """What to send, and what to do wrong."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    delay: float = 0.0  # seconds before the first byte
    drip: float = 0.0  # seconds between single bytes of the body
    truncate: int | None = None  # announce the whole body, send so many bytes of it, hang up
    repeat: int = 1  # send the body so often: large answers without large memory
    close: bool = False  # hang up without an answer


class Seen(NamedTuple):
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]  # lower-case names
    body: bytes


Script = Callable[[Seen], Answer]


def json_answer(content: object, status: int = 200, **more: Any) -> Answer:
    return Answer(status=status, body=json.dumps(content).encode(), **more)


class FaultyServer:
    """Listens on loopback from construction on; 404 for what has no script."""

    def __init__(self, tls: tuple[Path, Path] | None = None, *, address: str = "127.0.0.1", port: int = 0) -> None:
        self._tls = tls
        self._scripts: dict[str, list[Answer] | Script] = {}
        self._seen: list[Seen] = []
        self._lock = threading.Lock()
        self._gone = threading.Event()  # wakes whoever delays, so that closing takes no time
        self._in_flight: Counter[str] = Counter()
        self.most_at: Counter[str] = Counter()  # by path: most requests at the same time
        self.most_in_flight = 0
        self.connections = 0
        self.address, self.port = address, port
        self._server: _Server | None = None
        self.come_up()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.go_down()

    def url(self, path: str = "", *, host: str = "") -> str:
        scheme = "https" if self._tls else "http"
        return f"{scheme}://{host or self.address}:{self.port}{path}"

    def script(self, path: str, *answers: Answer) -> None:
        """These answers in this order; the last one for every further request."""
        self._scripts[path] = list(answers)

    def script_with(self, path: str, script: Script) -> None:
        self._scripts[path] = script

    def seen(self, path: str | None = None) -> list[Seen]:
        with self._lock:
            return [one for one in self._seen if path in {None, one.path}]

    def go_down(self) -> None:
        """Stop listening and cut every connection."""
        if self._server:
            self._gone.set()
            self._server.end()
            self._server = None

    def come_up(self) -> None:
        """Listen (again), on the same port."""
        self._gone.clear()
        self._server = _Server((self.address, self.port), self, self._context())
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def _context(self) -> ssl.SSLContext | None:
        if not self._tls:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self._tls)
        return context

    def answer_to(self, request: Seen) -> Answer:
        with self._lock:
            self._seen.append(request)
            script = self._scripts.get(request.path, [Answer(status=404)])
            if isinstance(script, list):
                return script.pop(0) if len(script) > 1 else script[0]
        return script(request)

    def wait(self, seconds: float) -> None:
        if seconds:
            self._gone.wait(seconds)

    def count_in(self, path: str, change: int) -> None:
        with self._lock:
            self._in_flight[path] += change
            self.most_at[path] = max(self.most_at[path], self._in_flight[path])
            self.most_in_flight = max(self.most_in_flight, self._in_flight.total())


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = True

    def __init__(self, place: tuple[str, int], owner: FaultyServer, tls: ssl.SSLContext | None) -> None:
        self.owner = owner
        self._tls = tls
        self._open: set[socket.socket] = set()
        super().__init__(place, _Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, peer = super().get_request()
        self.owner.connections += 1
        if self._tls:  # the handshake happens in the connection's own thread
            connection = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        self._open.add(connection)
        return connection, peer

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up, or did not like our certificate, is what the tests are about."""

    def end(self) -> None:
        self.shutdown()
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                connection.close()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30
    server: _Server

    def do_GET(self) -> None:
        owner = self.server.owner
        length = int(self.headers.get("Content-Length", 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Seen(self.command, self.path, headers, self.rfile.read(length))
        owner.count_in(self.path, +1)
        try:
            answer = owner.answer_to(request)
            owner.wait(answer.delay)
            self._send(answer)
        finally:
            owner.count_in(self.path, -1)

    do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_GET  # noqa: N815 - the names that http.server looks for

    def _send(self, answer: Answer) -> None:
        if answer.close:
            self.close_connection = True
            return
        self.send_response_only(answer.status)
        if "Date" not in answer.headers:
            self.send_header("Date", self.date_time_string())
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body) * answer.repeat))
        self.end_headers()
        if self.command == "HEAD":
            return
        if answer.truncate is not None:
            self.wfile.write(answer.body[: answer.truncate])
            self.close_connection = True
        elif answer.drip:
            for byte in answer.body:
                self.wfile.write(bytes([byte]))
                self.server.owner.wait(answer.drip)
        else:
            for _ in range(answer.repeat):
                self.wfile.write(answer.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the parent's name
        """Quiet: tests look at `seen`."""
