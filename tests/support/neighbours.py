"""What stands around an Envoy under test: HTTP/1.1 servers that remember, and a client that sends anything.

with Neighbour(("127.0.0.1", 9000)) as service:      # or Neighbour(Path("/run/worker-0.sock"))
    service.answer = lambda seen: Reply(200, (("x-seen", seen.target),), b"hello")
    answer = ask(("127.0.0.1", 8443), "GET", "/", headers=[("x-a", "1"), ("x-a", "2")], tls=context)
    assert service.seen[-1].values("x-a") == ["1", "2"]
"""

import contextlib
import http.client
import json
import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from tests.support.patience import PATIENCE

from authz_service import headers

Headers = Sequence[tuple[str, str]]
Address = tuple[str, int]
_SILENCE = 0.5  # seconds after the first bytes


class Seen(NamedTuple):
    """One request, as it arrived."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]  # lower-case names
    body: bytes

    @property
    def path(self) -> str:
        """Of a question: what stands behind the prefix that Envoy puts before it."""
        return self.target[len(headers.CHECK_PATH) + headers.TAG_LENGTH :]

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name.lower()]

    def value(self, name: str) -> str | None:
        return next(iter(self.values(name)), None)


class Reply(NamedTuple):
    """What to answer. With `pieces` the body is streamed: (seconds to wait, bytes) one after the other."""

    status: int = 200
    headers: Headers = ()
    body: bytes = b""
    delay: float = 0.0
    pieces: Iterable[tuple[float, bytes]] = ()


class Answer(NamedTuple):
    """What a client got."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name.lower()]

    @property
    def problem(self) -> dict[str, Any]:
        """An RFC 9457 body, which must say that it is one."""
        assert self.values("content-type") == ["application/problem+json"]
        found: dict[str, Any] = json.loads(self.body)
        assert found["status"] == self.status
        return found


class Neighbour:
    """Serves from construction on; a thread per connection."""

    def __init__(self, place: Address | Path, tls: ssl.SSLContext | None = None) -> None:
        self.answer: Callable[[Seen], Reply] = lambda _: Reply()
        self.seen: list[Seen] = []
        self.connections: set[socket.socket] = set()
        self._socket_file = place if isinstance(place, Path) else None
        neighbour = self

        class Handler(_Handler):
            owner = neighbour

        self._server: socketserver.BaseServer
        if isinstance(place, Path):
            self._server = _UnixServer(str(place), Handler)
        else:
            self._server = _TcpServer(place, Handler, bind_and_activate=True)
            if tls is not None:
                self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def reset(self) -> None:
        self.answer = lambda _: Reply()
        self.seen.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Gone like a killed process: open connections end too."""
        self._server.shutdown()
        self._server.server_close()
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        if self._socket_file is not None:
            self._socket_file.unlink(missing_ok=True)


def ask(
    place: Address | Path,
    method: str,
    path: str,
    *,
    headers: Headers = (),
    body: bytes | None = None,
    tls: ssl.SSLContext | None = None,
    host: str = "localhost",
) -> Answer:
    """One request over a connection of its own; headers are sent as they are, repeated ones too."""
    connection = http.client.HTTPConnection(host, timeout=PATIENCE)
    connection.sock = _connected(place, tls, host)
    with contextlib.closing(connection):
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        if not any(name.lower() == "host" for name, _ in headers):
            connection.putheader("Host", host)
        for name, value in headers:
            connection.putheader(name, value.encode("latin-1"))
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # refused early: the answer is there already
            connection.endheaders(body)
        response = connection.getresponse()
        return Answer(
            response.status, tuple((name.lower(), value) for name, value in response.getheaders()), response.read()
        )


def send_raw(
    place: Address | Path,
    text: bytes,
    tls: ssl.SSLContext | None = None,
    enough: Callable[[bytes], object] | None = None,
) -> bytes:
    """Bytes in, bytes out, until the other side closes, or this is enough, or by default it falls silent."""
    with _connected(place, tls, "localhost") as connection:
        connection.sendall(text)
        received = b""
        with contextlib.suppress(TimeoutError, ConnectionResetError):
            while piece := connection.recv(65536):
                received += piece
                if enough is None:
                    connection.settimeout(_SILENCE)
                elif enough(received):
                    break
        return received


def _connected(place: Address | Path, tls: ssl.SSLContext | None, host: str) -> socket.socket:
    if isinstance(place, Path):
        local = socket.socket(socket.AF_UNIX)
        local.settimeout(PATIENCE)
        local.connect(str(place))
        return local
    plain = socket.create_connection(place, timeout=PATIENCE)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if tls is None:
        return plain
    try:
        return tls.wrap_socket(plain, server_hostname=host)
    except BaseException:
        plain.close()
        raise


class _Handler(BaseHTTPRequestHandler):
    owner: Neighbour
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # whole answers in one segment: small ones wait 40 ms for each other's acknowledgement

    def setup(self) -> None:
        super().setup()
        self.owner.connections.add(self.connection)

    def finish(self) -> None:
        self.owner.connections.discard(self.connection)
        with contextlib.suppress(OSError):
            super().finish()

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (ConnectionError, ssl.SSLError, TimeoutError):
            self.close_connection = True

    def parse_request(self) -> bool:
        if not super().parse_request():
            return False
        seen = Seen(
            self.command,
            self.path,
            tuple((name.lower(), value) for name, value in self.headers.items()),
            self._read_body(),
        )
        self.owner.seen.append(seen)
        self._send(self.owner.answer(seen))
        return False  # answered: there is no do_GET to call

    def _send(self, reply: Reply) -> None:
        time.sleep(reply.delay)
        self.wfile.write(b"HTTP/1.1 %d X\r\n" % reply.status)
        for name, value in reply.headers:
            self.wfile.write(f"{name}: {value}\r\n".encode("latin-1"))
        if not reply.pieces:
            self.wfile.write(b"content-length: %d\r\n\r\n" % len(reply.body) + reply.body)
            self.wfile.flush()
            return
        self.wfile.write(b"transfer-encoding: chunked\r\n\r\n")
        for wait, piece in reply.pieces:
            time.sleep(wait)
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def _read_body(self) -> bytes:
        if length := self.headers.get("content-length"):
            return self.rfile.read(int(length))
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            return b""
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body


class _Quiet:
    daemon_threads = True
    request_queue_size = 64
    allow_reuse_address = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is no news."""


class _TcpServer(_Quiet, socketserver.ThreadingTCPServer):
    """TCP."""


class _UnixServer(_Quiet, socketserver.ThreadingUnixStreamServer):
    """A Unix socket."""
