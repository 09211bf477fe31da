"""What is more than a request and an answer, through a real ingress, and through an egress and an ingress, with tokens.

STREAM_MIB sets the size of the large transfers (256 by default; 1024 for the promised gigabyte).
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise

import grpc
import httpx
import pytest
from tests.support.echo_service import EVENT_PAUSE, nothing_arrives
from tests.support.live import Live
from tests.support.lone_sidecar import TARGET, LoneSidecar
from tests.support.patience import PATIENCE
from tests.support.stream_services import grpc_echo, websocket_echo
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from authz_devkit.certs.tree import ca_bundle, leaf_cert, leaf_key

SIZE = int(os.environ.get("STREAM_MIB", "256")) << 20
MOST_GROWTH = 48 << 20  # bytes of memory that all processes of both sidecars may grow by, whatever the size
CLIENT = "order-service/client-zone3"
Headers = dict[str, str]


class Way:
    """How to get to the service: where to connect, with which TLS and headers, below which path."""

    def __init__(self, live: Live, ingress: LoneSidecar, egress: LoneSidecar | None) -> None:
        self.ingress, self.prefix = ingress, "/data" if egress else ""
        self.sidecars = [ingress] if egress is None else [ingress, egress]
        self.place = (egress.address, 8080) if egress else ingress.place
        self.certs = live.mesh.certs if egress is None else None
        self.headers = {"authorization": f"Bearer {live.service('order-service')}"} if egress is None else {}

    @property
    def tls(self) -> ssl.SSLContext | None:
        """A new one each time: a client may write its protocols into it."""
        if self.certs is None:
            return None
        context = ssl.create_default_context(cafile=ca_bundle(self.certs, "zone3"))
        context.load_cert_chain(leaf_cert(self.certs, CLIENT), leaf_key(self.certs, CLIENT))
        return context

    def http1(self, method: str, path: str, body: Iterator[bytes] | None = None) -> http.client.HTTPResponse:
        """The answer, its body not yet read."""
        connection = http.client.HTTPConnection(*self.place, timeout=PATIENCE)
        connection.connect()
        tls = self.tls
        if tls is not None:
            connection.sock = tls.wrap_socket(connection.sock, server_hostname=TARGET)
        headers = self.headers | {"host": TARGET if tls else "localhost", "connection": "close"}
        if body is not None:
            headers["content-length"] = str(SIZE)
        connection.request(method, self.prefix + path, body=body, headers=headers)
        return connection.getresponse()

    def http2(self, path: str, headers: Headers) -> httpx.Response:
        scheme = "https" if self.certs else "http"
        url = f"{scheme}://{self.place[0]}:{self.place[1]}{self.prefix}{path}"
        with httpx.Client(
            http1=False, http2=True, verify=self.tls or True, trust_env=False, timeout=PATIENCE
        ) as client:
            return client.get(url, headers=headers, extensions={"sni_hostname": TARGET})

    def channel(self) -> grpc.Channel:
        place = f"{self.place[0]}:{self.place[1]}"
        if self.certs is None:
            return grpc.insecure_channel(place)
        files = (ca_bundle(self.certs, "zone3"), leaf_key(self.certs, CLIENT), leaf_cert(self.certs, CLIENT))
        credentials = grpc.ssl_channel_credentials(*(file.read_bytes() for file in files))
        return grpc.secure_channel(place, credentials, options=(("grpc.ssl_target_name_override", TARGET),))

    def websocket(self, path: str, headers: Headers) -> ClientConnection:
        url = f"{self.place[0]}:{self.place[1]}{self.prefix}{path}"
        tls = self.tls
        if tls is None:
            return connect(f"ws://{url}", additional_headers=headers, proxy=None, open_timeout=PATIENCE)
        return connect(
            f"wss://{url}",
            additional_headers=headers,
            proxy=None,
            ssl=tls,
            server_hostname=TARGET,
            open_timeout=PATIENCE,
        )


@pytest.fixture(scope="module")
def ingress(live: Live, module_stack: ExitStack) -> LoneSidecar:
    """The data service, which here also speaks gRPC and WebSocket."""
    certs = live.mesh.certs
    changes = {
        "http.max_body_bytes": "2GiB",
        "http.tls.cert_file": str(leaf_cert(certs, "data-service/server")),
        "http.tls.key_file": str(leaf_key(certs, "data-service/server")),
        "http.tls.client_ca_file": str(ca_bundle(certs, "zone3")),
        "jwt.issuer": f"{live.mesh.identity_url}/realms/services",
        "jwt.audience": "data-service",
        "proxy.mtls.allowed_clients": ["CN=order-service-client,O=MyOrg"],
    }
    sidecar = LoneSidecar(live, changes)
    routes = [("/echo.Echo/**", 9001), ("/ws/**", 9002), ("/**", 9000)]
    upstreams = [
        {"path": path, "upstream": f"{'h2c' if port == 9001 else 'http'}://{sidecar.address}:{port}"}
        for path, port in routes
    ]
    sidecar.write_config({"proxy.routes": upstreams})
    return module_stack.enter_context(sidecar)


@pytest.fixture(scope="module")
def egress(live: Live, ingress: LoneSidecar, module_stack: ExitStack) -> LoneSidecar:
    return module_stack.enter_context(LoneSidecar(live, target=ingress.place))


@pytest.fixture(params=["ingress", "egress and ingress"])
def way(request: pytest.FixtureRequest, live: Live, ingress: LoneSidecar, egress: LoneSidecar) -> Way:
    return Way(live, ingress, egress if request.param.startswith("egress") else None)


def test_http_1_and_http_2_pass(way: Way) -> None:
    """And are refused alike, by the policy and without a token."""
    assert way.http1("GET", "/orders/1").status == 200
    answer = way.http2("/orders/2", way.headers)
    assert (answer.status_code, answer.http_version) == (200, "HTTP/2")
    assert way.ingress.echo.paths()[-2:] == ["/orders/1", "/orders/2"]

    with nothing_arrives(way.ingress.echo):
        assert way.http1("GET", "/forbidden").status == way.http2("/forbidden", way.headers).status_code == 403
        if way.headers:
            assert way.http2("/orders/3", {}).status_code == 401


def test_grpc_passes(way: Way) -> None:
    """Unary with its trailers, and both ways at once: each answer comes before the next question is asked."""
    metadata = tuple(way.headers.items())
    with grpc_echo(way.ingress.address, 9001) as called, way.channel() as channel:
        unary = channel.unary_unary(f"{way.prefix}/echo.Echo/Unary")
        answer, call = unary.with_call(b"hello", metadata=metadata, timeout=PATIENCE)
        assert answer == b"hello"
        assert ("x-trailer", "at the end") in call.trailing_metadata()

        asked = threading.Semaphore(1)

        def questions() -> Iterator[bytes]:
            for number in range(5):
                assert asked.acquire(timeout=PATIENCE)
                yield b"%d" % number

        answers = channel.stream_stream(f"{way.prefix}/echo.Echo/Stream")(
            questions(), metadata=metadata, timeout=PATIENCE
        )
        for number in range(5):
            assert next(answers) == b"%d" % number
            asked.release()

        assert called == ["Unary", "Stream"]
        if metadata:
            with pytest.raises(grpc.RpcError) as refused:
                unary(b"hello", timeout=PATIENCE)
            assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
            assert called == ["Unary", "Stream"]


def test_websockets_pass(way: Way) -> None:
    """Both ways; the handshake is a request like any other, and is recorded as one."""
    with websocket_echo(way.ingress.address, 9002) as opened:
        with way.websocket("/ws/chat", way.headers) as socket:
            for message in ("hello", "x" * 500_000):
                socket.send(message)
                assert socket.recv(timeout=PATIENCE) == message
        assert opened == ["/ws/chat"]
        assert contains_record(way.ingress, "/ws/chat", "allow")

        if way.headers:
            with pytest.raises(InvalidStatus) as refused, way.websocket("/ws/other", {}):
                pass
            assert refused.value.response.status_code == 401
            assert opened == ["/ws/chat"]


def test_events_arrive_when_they_are_sent(way: Way) -> None:
    """Server-sent events, unbuffered: the first is there before the second is sent."""
    answer = way.http1("GET", "/orders/feed?events=4")
    assert answer.getheader("content-type") == "text/event-stream"
    arrived = []
    for number in range(4):
        assert (answer.readline(), answer.readline()) == (b"data: %d\n" % number, b"\n")
        arrived.append(time.monotonic())
    answer.close()

    pauses = [later - earlier for earlier, later in pairwise(arrived)]
    assert min(pauses) > EVENT_PAUSE / 2


def test_a_large_upload_takes_no_memory(way: Way) -> None:
    """The service counts what arrives."""
    piece = b"u" * (1 << 20)
    with constant_memory(way.sidecars):
        answer = way.http1("POST", "/orders/upload", body=(piece for _ in range(SIZE >> 20)))
        assert json.loads(answer.read())["body_size"] == SIZE
    answer.close()


def test_a_large_download_takes_no_memory(way: Way) -> None:
    """Also while the client reads slower than the service sends."""
    with constant_memory(way.sidecars):
        answer = way.http1("GET", f"/orders/download?size={SIZE}")
        time.sleep(0.5)
        received = 0
        while piece := answer.read(1 << 20):
            received += len(piece)
    answer.close()
    assert received == SIZE


@contextmanager
def constant_memory(sidecars: list[LoneSidecar]) -> Iterator[None]:
    """The most memory that their processes ever hold meanwhile is little more than before."""
    processes = [process for sidecar in sidecars for process in sidecar.tree()]
    done = threading.Event()
    peak = 0

    def memory() -> int:
        return sum(int(process.memory_info().rss) for process in processes)

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.05):
            peak = max(peak, memory())

    before = memory()
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
    assert before // 2 < peak < before + MOST_GROWTH


def contains_record(sidecar: LoneSidecar, path: str, decision: str) -> bool:
    return any((record["path"], record["decision"]) == (path, decision) for record in sidecar.audit)
