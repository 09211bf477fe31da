"""Services that speak more than request and answer: gRPC and WebSocket, both echoing. Each ends with its context."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve


@contextlib.contextmanager
def grpc_echo(host: str, port: int) -> Iterator[list[str]]:
    """`/echo.Echo/Unary` and `/echo.Echo/Stream`; gives the list of methods that were called."""
    called: list[str] = []

    def unary(request: bytes, context: grpc.ServicerContext) -> bytes:
        called.append("Unary")
        context.set_trailing_metadata((("x-trailer", "at the end"),))
        return request

    def stream(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        called.append("Stream")
        yield from requests

    handlers = {
        "Unary": grpc.unary_unary_rpc_method_handler(unary),
        "Stream": grpc.stream_stream_rpc_method_handler(stream),
    }
    with ThreadPoolExecutor(4) as pool:
        server = grpc.server(pool)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("echo.Echo", handlers),))
        server.add_insecure_port(f"{host}:{port}")
        server.start()
        yield called
        server.stop(None).wait()


@contextlib.contextmanager
def websocket_echo(host: str, port: int) -> Iterator[list[str]]:
    """Gives the list of paths that were opened."""
    opened: list[str] = []

    def echo(connection: ServerConnection) -> None:
        assert connection.request is not None
        opened.append(connection.request.path)
        with contextlib.suppress(ConnectionClosed):  # cut
            for message in connection:
                connection.send(message)

    with serve(echo, host, port) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield opened
        server.shutdown()
        thread.join()
