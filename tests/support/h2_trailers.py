"""A service and a client that speak HTTP/2 with trailers on requests, which gRPC's own never send."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, ResponseReceived, StreamEnded, TrailersReceived
from tests.support.patience import PATIENCE

Headers = list[tuple[str, str]]


@contextlib.contextmanager
def h2_service(place: tuple[str, int]) -> Iterator[list[Headers]]:
    """Answers 200 on every connection; yields the header blocks that came, trailers too."""
    came: list[Headers] = []
    listener = socket.create_server(place)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=_answer, args=(connection, came), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield came
    finally:
        listener.close()


def _answer(connection: socket.socket, came: list[Headers]) -> None:
    h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
    h2.initiate_connection()
    with contextlib.suppress(OSError), connection:
        connection.sendall(h2.data_to_send())
        while piece := connection.recv(65536):
            for event in h2.receive_data(piece):
                if isinstance(event, RequestReceived | TrailersReceived):
                    came.append([(str(name), str(value)) for name, value in event.headers or ()])
                if isinstance(event, StreamEnded):
                    h2.send_headers(event.stream_id, [(":status", "200")], end_stream=True)
            connection.sendall(h2.data_to_send())


def post_with_trailers(place: tuple[str, int], tls: ssl.SSLContext, headers: Headers, trailers: Headers) -> str:
    """The answer's status."""
    tls.set_alpn_protocols(["h2"])
    h2 = H2Connection(H2Configuration(header_encoding="utf-8"))
    h2.initiate_connection()
    h2.send_headers(1, headers)
    h2.send_data(1, b"body")
    h2.send_headers(1, trailers, end_stream=True)
    with tls.wrap_socket(socket.create_connection(place, timeout=PATIENCE), server_hostname="edge.test") as connection:
        connection.sendall(h2.data_to_send())
        while piece := connection.recv(65536):
            for event in h2.receive_data(piece):
                if isinstance(event, ResponseReceived):
                    found: dict[Any, Any] = dict(event.headers or ())
                    return str(found[":status"])
                if isinstance(event, DataReceived):
                    h2.acknowledge_received_data(len(event.data or b""), 1)
            connection.sendall(h2.data_to_send())
    return "closed"
