"""Requests that go on: WebSocket, gRPC both ways, server-sent events, a long download and a long upload.

Each opens in its constructor. `passes()` has a further piece pass, and fails when it does not; `wait_ended()` returns
when the stream was cut, or fails.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import queue
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Protocol

import grpc
from tests.support.lone_sidecar import GATEWAY, HOST, LoneSidecar
from tests.support.patience import PATIENCE
from tests.support.stream_services import grpc_echo, websocket_echo
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from authz_devkit.certs.tree import ca_bundle, leaf_cert, leaf_key

GRPC_PORT, WEBSOCKET_PORT = 9001, 9002
_ENDLESS = 1 << 40  # bytes
_PIECE = 1 << 16


class Stream(Protocol):
    def passes(self) -> None: ...

    def wait_ended(self) -> None: ...

    def close(self) -> None: ...


def routes(sidecar: LoneSidecar) -> list[dict[str, str]]:
    """Of a sidecar whose service speaks all of these."""
    found = [("/echo.Echo/**", "h2c", GRPC_PORT), ("/ws/**", "http", WEBSOCKET_PORT), ("/**", "http", 9000)]
    return [{"path": path, "upstream": f"{scheme}://{sidecar.address}:{port}"} for path, scheme, port in found]


@contextlib.contextmanager
def services(sidecar: LoneSidecar) -> Iterator[None]:
    """Behind these routes, beside its own."""
    with grpc_echo(sidecar.address, GRPC_PORT), websocket_echo(sidecar.address, WEBSOCKET_PORT):
        yield


def channel(sidecar: LoneSidecar, certificate: tuple[Path, Path] | None = None) -> grpc.Channel:
    cert, key = certificate or (leaf_cert(sidecar.certs, GATEWAY), leaf_key(sidecar.certs, GATEWAY))
    files = (ca_bundle(sidecar.certs, "zone2"), key, cert)
    credentials = grpc.ssl_channel_credentials(*(file.read_bytes() for file in files))
    place = f"{sidecar.place[0]}:{sidecar.place[1]}"
    return grpc.secure_channel(place, credentials, options=(("grpc.ssl_target_name_override", HOST),))


class WebSocket:
    def __init__(self, sidecar: LoneSidecar, token: str, tls: ssl.SSLContext | None = None) -> None:
        opened = connect(
            f"wss://{sidecar.place[0]}:{sidecar.place[1]}/ws/chat",
            additional_headers={"authorization": f"Bearer {token}"},
            proxy=None,
            ssl=tls or sidecar.tls(),
            server_hostname=HOST,
            open_timeout=PATIENCE,
        )
        self._stack = ExitStack()
        self._socket = self._stack.enter_context(opened)
        self.passes()

    def passes(self) -> None:
        self._socket.send("hello")
        assert self._socket.recv(timeout=PATIENCE) == "hello"

    def wait_ended(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            self._socket.recv(timeout=PATIENCE)
            raise AssertionError("something came")

    def close(self) -> None:
        self._stack.close()


class GrpcStream:
    """Over a channel of its own, or beside others over one."""

    def __init__(self, over: grpc.Channel, token: str) -> None:
        self._questions: queue.Queue[bytes | None] = queue.Queue()
        metadata = (("authorization", f"Bearer {token}"),)
        self._call = over.stream_stream("/echo.Echo/Stream")(self._ask(), metadata=metadata)
        self.status: grpc.StatusCode | None = None
        self.passes()

    def _ask(self) -> Iterator[bytes]:
        while (question := self._questions.get()) is not None:
            yield question

    def passes(self) -> None:
        self._questions.put(b"hello")
        assert next(self._call) == b"hello"

    def wait_ended(self) -> None:
        try:
            next(self._call)
        except grpc.RpcError as ended:
            self.status = ended.code()
            return
        raise AssertionError("something came")

    def close(self) -> None:
        self._questions.put(None)
        self._call.cancel()


class Answer:
    """What the service sends goes on: events, or a download."""

    def __init__(
        self, sidecar: LoneSidecar, credentials: tuple[str, str], target: str, tls: ssl.SSLContext | None = None
    ) -> None:
        self._connection = sidecar.connection(tls or sidecar.tls())
        self._connection.request("GET", target, headers=dict([credentials]))
        self._answer = self._connection.getresponse()
        assert self._answer.status == 200
        self.passes()

    def passes(self) -> None:
        assert self._answer.read1(_PIECE)

    def wait_ended(self) -> None:
        until = time.monotonic() + PATIENCE
        with contextlib.suppress(http.client.IncompleteRead, ConnectionError, ssl.SSLError):
            while piece := self._answer.read(1024):
                assert piece
                assert time.monotonic() < until, "it goes on"

    def close(self) -> None:
        self._connection.close()


def events(sidecar: LoneSidecar, token: str, tls: ssl.SSLContext | None = None, path: str = "/orders/feed") -> Answer:
    return Answer(sidecar, _bearer(token), f"{path}?events=1000000", tls)


def download(sidecar: LoneSidecar, token: str, tls: ssl.SSLContext | None = None) -> Answer:
    return Answer(sidecar, _bearer(token), f"/orders/download?size={_ENDLESS}", tls)


def _bearer(token: str) -> tuple[str, str]:
    return "authorization", f"Bearer {token}"


class Upload:
    """The service has not answered yet, so that the caller can be told."""

    def __init__(self, sidecar: LoneSidecar, token: str, tls: ssl.SSLContext | None = None) -> None:
        self._connection = sidecar.connection(tls or sidecar.tls())
        self._connection.putrequest("POST", "/orders/upload")
        self._connection.putheader("authorization", f"Bearer {token}")
        self._connection.putheader("content-length", str(1 << 30))
        self._connection.endheaders()
        self.reason = ""
        self.passes()

    def passes(self) -> None:
        self._connection.send(b"u" * 1024)
        self._connection.sock.settimeout(0.01)
        with contextlib.suppress(TimeoutError, ssl.SSLWantReadError):
            raise AssertionError(f"an answer: {self._connection.sock.recv(4096)!r}")
        self._connection.sock.settimeout(PATIENCE)

    def wait_ended(self) -> None:
        answer = self._connection.getresponse()
        assert answer.status == 403
        self.reason = json.loads(answer.read())["reason"]

    def close(self) -> None:
        self._connection.close()


@contextlib.contextmanager
def all_kinds(
    sidecar: LoneSidecar, token: str, certificate: tuple[Path, Path] | None = None
) -> Iterator[dict[str, Stream]]:
    tls = sidecar.tls(certificate or GATEWAY)
    with ExitStack() as stack:
        over = stack.enter_context(channel(sidecar, certificate))
        kinds: dict[str, Callable[[], Stream]] = {
            "websocket": lambda: WebSocket(sidecar, token, tls),
            "grpc": lambda: GrpcStream(over, token),
            "events": lambda: events(sidecar, token, tls),
            "download": lambda: download(sidecar, token, tls),
            "upload": lambda: Upload(sidecar, token, tls),
        }
        yield {kind: stack.enter_context(closing(begin())) for kind, begin in kinds.items()}
