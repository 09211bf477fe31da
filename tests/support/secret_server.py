"""An SDS server of the tests: hands out what it is told to, on a Unix socket. SPIRE itself is in `make test-spiffe`.

Envoy's messages are written out by hand, as no maintained package has them: three kinds of field are all it takes.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import grpc

_SERVICE = "envoy.service.secret.v3.SecretDiscoveryService"
_SECRET = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"


def certificate_secret(name: str, chain: bytes, key: bytes) -> bytes:
    return _text(1, name) + _field(2, _field(1, _inline(chain)) + _field(2, _inline(key)))


def ca_secret(name: str, ca: bytes | None) -> bytes:
    """None: a context that trusts nobody by name, which Envoy by itself takes for everybody."""
    return _text(1, name) + _field(4, _field(1, _inline(ca)) if ca is not None else b"")


class SecretServer:
    """`secrets` are served by name; an unknown name is never answered, as by an agent that has no such identity."""

    def __init__(self, path: Path) -> None:
        self.secrets: dict[str, bytes] = {}
        self.asked: list[str] = []
        self._path = path
        self._server: grpc.Server | None = None

    @property
    def socket(self) -> str:
        return f"unix://{self._path}"

    def __enter__(self) -> Self:
        handler = grpc.method_handlers_generic_handler(
            _SERVICE, {"StreamSecrets": grpc.stream_stream_rpc_method_handler(self._stream)}
        )
        self._server = grpc.server(ThreadPoolExecutor(16), handlers=[handler])
        self._server.add_insecure_port(self.socket)
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.stop(None).wait()

    def _stream(self, requests: Iterator[bytes], _: Any) -> Iterator[bytes]:
        """One answer to the first question of a stream; what follows are acknowledgements."""
        for number, request in enumerate(requests):
            if number:
                continue
            [name] = [found for found in self.secrets if _text(3, found) in request] or [""]
            self.asked.append(name)
            if name:
                resource = _text(1, _SECRET) + _field(2, self.secrets[name])
                yield _text(1, "1") + _field(2, resource) + _text(4, _SECRET) + _text(5, "n")


def _inline(content: bytes) -> bytes:
    return _field(2, content)


def _text(number: int, text: str) -> bytes:
    return _field(number, text.encode())


def _field(number: int, content: bytes) -> bytes:
    """A length-delimited field (protobuf encoding, wire type 2)."""
    size, length = len(content), bytearray()
    while size > 127:
        length.append(size & 127 | 128)
        size >>= 7
    return bytes([number << 3 | 2, *length, size]) + content
