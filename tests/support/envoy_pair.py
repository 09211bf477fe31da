"""Two sidecars' Envoys, one calling the other over mTLS, with scripted gates and services around them. Not our gate.

client ─▶ edge (TLS, certificate optional) ─▶ app
                 └ egress (plain HTTP) ─▶ orders (mTLS required) ─▶ app, gRPC, WebSocket
"""

import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc
from tests.support.blocks import claim_block
from tests.support.certificates import Authority, Leaf
from tests.support.neighbours import Address, Answer, Neighbour, Seen, ask
from tests.support.real_envoy import RealEnvoy
from websockets.sync.server import ServerConnection, serve

from authz_service.config.model import Config
from authz_service.envoy import secrets

# Another one for each process that runs tests: two Envoys at one address would answer for each other.
_NUMBER, _CLAIM = claim_block()
BLOCK = f"127.{_NUMBER}"
EDGE: Address = (f"{BLOCK}.1.1", 21443)
EGRESS: Address = (f"{BLOCK}.1.1", 21080)
ORDERS: Address = (f"{BLOCK}.2.1", 21443)
APP: Address = (f"{BLOCK}.1.1", 21900)
ORDERS_APP: Address = (f"{BLOCK}.2.1", 21900)
ORDERS_GRPC: Address = (f"{BLOCK}.2.1", 21901)
ORDERS_WEBSOCKET: Address = (f"{BLOCK}.2.1", 21902)
PLAIN: Address = (f"{BLOCK}.3.1", 21900)
OPEN: Address = (f"{BLOCK}.3.1", 21901)
H2_APP: Address = (f"{BLOCK}.3.1", 21902)
NOBODY: Address = (f"{BLOCK}.3.1", 21999)

MAX_BODY = 64 << 10
TIMEOUT = 1.0  # also for good answers: of a service in a thread of the tests, on a busy machine
IDLE = 3.0
_TLS_FILES = {"cert_file": "not-read", "key_file": "not-read", "client_ca_file": "not-read"}
_OAUTH2 = {
    "type": "oauth2_client_credentials",
    "token_url": "https://idp.test/token",
    "client_id": "edge",
    "client_secret": "s",
}


def url(place: Address, scheme: str = "http", host: str = "") -> str:
    return f"{scheme}://{host or place[0]}:{place[1]}"


def edge_config(log: Path) -> Config:
    routes = [
        {"path": "/api/v1/orders/**", "upstream": url(ORDERS, "https", "orders.test"), "strip_prefix": "/api/v1"},
        {"path": "/api/**"},
        {"path": "/api/exact"},
        {"path": "/strip/**", "strip_prefix": "/strip"},
        {"path": "/patient/**", "timeout": 30.0},
        {"path": "/nobody/**", "upstream": url(NOBODY)},
        {"path": "/h2/**", "upstream": url(H2_APP, "h2c")},
    ]
    headers = {
        "inject_user_id": "X-User-ID",
        "inject_claims": {"email": "X-User-Email", "realm_access.roles": "X-User-Roles"},
        "extract": ["X-User-Context", "X-Correlation-ID"],
    }
    mutual = {"client_cert": "not-read", "client_key": "not-read", "ca_cert": "not-read"}
    targets = {
        "orders": {"url": url(ORDERS, "https", "orders.test"), "auth": _OAUTH2, "tls": mutual, "timeout": TIMEOUT},
        "wrong-name": {"url": url(ORDERS, "https", "payments.test"), "tls": mutual, "retries": {"attempts": 1}},
        "plain": {"url": url(PLAIN), "auth": _OAUTH2, "timeout": TIMEOUT},
        "open": {"url": url(OPEN), "timeout": TIMEOUT},
        "nobody": {"url": url(NOBODY), "retries": {"attempts": 1}},
    }
    return Config.model_validate(
        {
            "service": {"name": "edge"},
            "http": {
                "addr": f"{EDGE[0]}:{EDGE[1]}",
                "tls": {**_TLS_FILES, "client_auth": "request"},
                "max_body_bytes": MAX_BODY,
                "timeouts": {"request": TIMEOUT, "idle": IDLE, "headers": 1.0},
            },
            "proxy": {"authz": {"enabled": False}, "upstream": url(APP), "routes": routes, "headers": headers},
            "egress": {
                "addr": f"{EGRESS[0]}:{EGRESS[1]}",
                "targets": targets,
                "routes": [{"path_prefix": f"/{name}", "target": name, "strip_prefix": f"/{name}"} for name in targets],
            },
            "hosts": {"orders.test": ORDERS[0], "payments.test": ORDERS[0]},
            "audit": {"access_log": str(log)},
        }
    )


def orders_config() -> Config:
    routes = [
        {"path": "/echo.Echo/**", "upstream": url(ORDERS_GRPC, "h2c")},
        {"path": "/ws/**", "upstream": url(ORDERS_WEBSOCKET)},
        {"path": "/**"},
    ]
    return Config.model_validate(
        {
            "service": {"name": "orders"},
            "http": {
                "addr": f"{ORDERS[0]}:{ORDERS[1]}",
                "tls": {**_TLS_FILES, "client_auth": "require", "min_version": "1.3"},
                "max_body_bytes": MAX_BODY,
                "timeouts": {"request": 5.0, "idle": 5.0},
            },
            "proxy": {"authz": {"enabled": False}, "upstream": url(ORDERS_APP), "routes": routes},
        }
    )


class EnvoyPair:
    """`edge_gate` and `orders_gate` allow everything until a test says otherwise."""

    def __init__(self, folder: Path) -> None:
        now = time.time()
        self.ca, self.other_ca = Authority.living("zone-ca", now), Authority.living("other-ca", now)
        self.caller = self.ca.issue("caller-client")
        self._folder = folder
        self._stack = ExitStack()
        self.access_log = folder / "access.log"
        self.edge = RealEnvoy(edge_config(self.access_log), folder / "edge", self._edge_secrets())
        self.orders = RealEnvoy(orders_config(), folder / "orders", self._orders_secrets())

    def __enter__(self) -> Self:
        enter = self._stack.enter_context
        try:
            self.edge_gate, self.edge_gate_2 = (
                enter(Neighbour(self.edge.paths.worker_socket(index))) for index in range(2)
            )
            self.orders_gate, self.orders_gate_2 = (
                enter(Neighbour(self.orders.paths.worker_socket(index))) for index in range(2)
            )
            places = (APP, ORDERS_APP, PLAIN, OPEN)
            self.app, self.orders_app, self.plain, self.open = (enter(Neighbour(place)) for place in places)
            self._stack.callback(_start_grpc().stop, None)
            websocket = serve(_echo_websocket, *ORDERS_WEBSOCKET)
            threading.Thread(target=websocket.serve_forever, daemon=True).start()
            self._stack.callback(websocket.shutdown)
            enter(self.edge)
            enter(self.orders)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def reset(self) -> None:
        for neighbour in (
            *(self.edge_gate, self.edge_gate_2, self.orders_gate, self.orders_gate_2),
            *(self.app, self.orders_app, self.plain, self.open),
        ):
            neighbour.reset()

    def edge_answers(self, answer: Any) -> None:
        """Both workers of the edge say this."""
        self.edge_gate.answer = self.edge_gate_2.answer = answer

    @property
    def edge_asked(self) -> list[Seen]:
        return [*self.edge_gate.seen, *self.edge_gate_2.seen]

    def call_edge(self, path: str, method: str = "GET", *, leaf: Leaf | None = None, **more: Any) -> Answer:
        return ask(EDGE, method, path, tls=self.client_tls(leaf), **more)

    def call_egress(self, path: str, method: str = "GET", **more: Any) -> Answer:
        return ask(EGRESS, method, path, **more)

    def client_tls(self, leaf: Leaf | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context(cadata=self.ca.pem.decode())
        context.check_hostname = False
        if leaf is not None:
            certificate, key = leaf.write(self._folder, f"client-{leaf.serial}")
            context.load_cert_chain(certificate, key)
        return context

    def _edge_secrets(self) -> dict[str, str]:
        found = {
            **self._server_secrets("edge.test"),
            secrets.target_token("orders"): secrets.token_secret("", "orders-token"),
            secrets.target_token("plain"): secrets.token_secret("", "plain-token"),
        }
        client = self.ca.issue("edge-client")
        for name in ("orders", "wrong-name"):
            found[secrets.target_ca(name)] = _ca(secrets.target_ca(name), self.ca)
            found[secrets.target_certificate(name)] = _leaf(secrets.target_certificate(name), client)
        for name in ("orders", "plain"):
            found[secrets.target_token(name)] = secrets.token_secret(secrets.target_token(name), f"{name}-token")
        return found

    def _orders_secrets(self) -> dict[str, str]:
        return self._server_secrets("orders.test")

    def _server_secrets(self, name: str) -> dict[str, str]:
        return {
            secrets.SERVER_CERTIFICATE: _leaf(secrets.SERVER_CERTIFICATE, self.ca.issue(name, dns=(name,))),
            secrets.CLIENT_CA: _ca(secrets.CLIENT_CA, self.ca),
        }


def _leaf(name: str, leaf: Leaf) -> str:
    return secrets.tls_certificate_secret(name, leaf.certificate.decode(), leaf.key.decode())


def _ca(name: str, authority: Authority) -> str:
    return secrets.validation_context_secret(name, authority.pem.decode())


def _echo_websocket(connection: ServerConnection) -> None:
    for message in connection:
        connection.send(message)


def _start_grpc() -> grpc.Server:
    def unary(request: bytes, context: grpc.ServicerContext) -> bytes:
        if request == b"fail":
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "as asked")
        context.set_trailing_metadata((("x-trailer", "t"),))
        token = str(dict(context.invocation_metadata()).get("authorization", "none"))
        return request + b"|" + token.encode()

    handlers = {
        "Unary": grpc.unary_unary_rpc_method_handler(unary),
        "Stream": grpc.stream_stream_rpc_method_handler(lambda requests, _: iter(requests)),
    }
    server = grpc.server(ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("echo.Echo", handlers),))
    server.add_insecure_port(f"{ORDERS_GRPC[0]}:{ORDERS_GRPC[1]}")
    server.start()
    return server
