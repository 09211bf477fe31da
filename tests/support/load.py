"""A small, steady load: keep-alive clients over TLS that send one request after the other and record what failed.

with Load(("127.77.5.1", 8443), request, tls) as load:
    ... disturb the server ...
assert load.failures == []

It behaves as a good HTTP/1.1 client: it obeys `connection: close`, and opens a new connection where it cannot send. A
request that was sent and got no whole answer, or another status than 200, is a failure, such as `status 503
audit_unavailable`; it is never sent again.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from types import TracebackType
from typing import Self

from tests.support.patience import PATIENCE

Address = tuple[str, int]


class Load:
    """Runs from `__enter__` to `__exit__`, in a thread with an event loop of its own."""

    def __init__(
        self,
        place: Address,
        request: bytes,
        tls: ssl.SSLContext | None,
        *,
        server_name: str = "localhost",
        clients: int = 4,
        pause: float = 0.01,
        new_connections: bool = False,
    ) -> None:
        """`request` is sent as it is. With `new_connections` each request has a connection of its own."""
        self._place, self._request, self._tls, self._name = place, request, tls, server_name
        self._clients, self._pause, self._new_connections = clients, pause, new_connections
        self.answered = 0
        self.refused = 0  # connections that could not be made: nothing was sent on them
        self.failures: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="load", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(2 * PATIENCE)
        assert not self._thread.is_alive()

    def replace(self, request: bytes | None = None, tls: ssl.SSLContext | None = None) -> None:
        """From the next request (of the next connection) on."""
        self._request, self._tls = request or self._request, tls or self._tls

    async def _run(self) -> None:
        await asyncio.gather(*(self._client() for _ in range(self._clients)))

    async def _client(self) -> None:
        while not self._stop.is_set():
            try:
                name = self._name if self._tls else None
                reader, writer = await asyncio.open_connection(*self._place, ssl=self._tls, server_hostname=name)
            except (OSError, ssl.SSLError):
                self.refused += 1
                await asyncio.sleep(0.05)
                continue
            try:
                while await self._exchange(reader, writer) and not self._stop.is_set():
                    await asyncio.sleep(self._pause)
            finally:
                writer.transport.abort()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its answer; whether the connection may be used again."""
        if reader.at_eof() or writer.is_closing():
            return False  # closed while idle: nothing was sent
        try:
            writer.write(self._request)
            status, headers, body = await asyncio.wait_for(read_answer(reader), PATIENCE)
        except (OSError, ssl.SSLError, asyncio.IncompleteReadError, TimeoutError) as error:
            self.failures.append(f"{type(error).__name__} {error}")
            return False
        if status == 200:
            self.answered += 1
        else:
            self.failures.append(f"status {status} {reason_in(body)}")
        return headers.get("connection", "").lower() != "close" and not self._new_connections


def reason_in(body: bytes) -> str:
    """Of a problem document; "" when it is none."""
    try:
        return str(json.loads(body)["reason"])
    except (ValueError, TypeError, KeyError):
        return ""


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    """Status, headers (lower-case names), body; raises asyncio.IncompleteReadError when it is cut."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *rest = head[:-4].split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (one.partition(":") for one in rest)}
    if headers.get("transfer-encoding") != "chunked":
        return int(line.split(" ")[1]), headers, await reader.readexactly(int(headers.get("content-length", "0")))
    body = b""
    while size := int(await reader.readline(), 16):
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readline()
    return int(line.split(" ")[1]), headers, body


def get(path: str, host: str, **headers: str) -> bytes:
    """A GET as bytes; `_` in a name stands for `-`."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([f"GET {path} HTTP/1.1", f"host: {host}", *lines, "", ""]).encode()
