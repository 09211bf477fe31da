"""A connection without a socket: keeps what is written, and what became of it."""

import asyncio
from collections.abc import Callable


class FakeTransport(asyncio.Transport):
    """`written` is what the peer would have read; `ended` is "closed" or "aborted" once it was."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.ended = ""
        self.on_write: Callable[[], None] = lambda: None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data
        self.on_write()

    def close(self) -> None:
        self.ended = self.ended or "closed"

    def abort(self) -> None:
        self.ended = "aborted"

    def is_closing(self) -> bool:
        return bool(self.ended)
