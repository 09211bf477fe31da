"""What the control plane has opened for this worker, which opens nothing itself: the worker's side of `handover`."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import count

from authz_service.audit.destinations import Destination
from authz_service.domain.rules import PolicyServer
from authz_service.errors import AuditUnavailable
from authz_service.handover_protocol import (
    LONGEST,
    AuditOpened,
    ChainOpened,
    Dial,
    Dialled,
    Handed,
    Mend,
    Mended,
    Wanted,
    decode_handed,
    encode,
)

_AT_A_TIME = 1  # descriptor


@dataclass(slots=True)
class _Opened:
    descriptor: int
    torn: bool
    error: str
    is_new: bool = True  # nobody has asked for it yet


class HandedOver:
    """One per worker; an `audit.destinations.Destinations`. Nothing here waits, but `dial`."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._end = end
        self._audit: dict[str, _Opened] = {}  # by path: of the present rules, and of those before or to come
        self._chain: dict[str, int | str] = {}  # by path: the descriptor, or why there is none
        self._mended: set[str] = set()
        self._numbers = count(1)
        self._dialling: dict[int, asyncio.Future[socket.socket]] = {}

    def listen(self, on_news: Callable[[], None]) -> None:
        """`on_news`: something was handed over."""

        def readable() -> None:
            if self._take():
                on_news()

        asyncio.get_running_loop().add_reader(self._end, readable)

    # audit.destinations.Destinations

    def open(self, path: str) -> Destination:
        self._take()
        opened = self._audit.get(path)
        if opened is None:
            raise AuditUnavailable(f"audit destination {path} is not opened for us yet")
        if opened.error:
            raise AuditUnavailable(opened.error)
        torn, opened.is_new, opened.torn = opened.torn, False, False
        return Destination(os.dup(opened.descriptor), torn)

    def has_moved(self, path: str) -> bool:
        self._take()
        opened = self._audit.get(path)
        return opened is not None and opened.is_new

    def mend(self, path: str, _descriptor: int) -> bool:
        self._mended.discard(path)
        with suppress(OSError):
            self._ask(Mend(path))
        return False

    def is_mended(self, path: str) -> bool:
        self._take()
        return path in self._mended

    def open_chain(self, path: str) -> int:
        """For `audit.chain.Chain`. Raises OSError."""
        self._take()
        found = self._chain.get(path, "it is not opened for us yet")
        if isinstance(found, str):
            raise OSError(found)
        return os.dup(found)

    async def dial(self, server: PolicyServer) -> socket.socket:
        """A connection to it. Raises OSError."""
        number = next(self._numbers)
        connected = self._dialling[number] = asyncio.get_running_loop().create_future()
        try:
            self._ask(Dial(number, server))
            end: socket.socket = await connected
            return end
        finally:
            self._dialling.pop(number, None)

    def _ask(self, wanted: Wanted) -> None:
        self._end.send(encode(wanted))

    def _take(self) -> bool:
        """All that has come. Whether something has."""
        some = False
        while True:
            try:
                packet, descriptors, _, _ = socket.recv_fds(self._end, LONGEST, _AT_A_TIME)
            except (BlockingIOError, ConnectionError):
                return some
            if not packet:  # the control plane is gone
                with suppress(RuntimeError):  # nobody listens yet
                    asyncio.get_running_loop().remove_reader(self._end)
                return some
            self._put(decode_handed(packet), descriptors[0] if descriptors else -1)
            some = True

    def _put(self, handed: Handed, descriptor: int) -> None:
        match handed:
            case AuditOpened(path, torn, error):
                self._forget_but(path)
                self._audit[path] = _Opened(descriptor, torn, error)
            case Mended(path):
                self._mended.add(path)
            case ChainOpened(path, error):
                self._chain[path] = error or descriptor
            case Dialled(number, error):
                self._connect(number, error, descriptor)

    def _forget_but(self, path: str) -> None:
        """The one that is replaced, and all but the last other one."""
        last = next(reversed(self._audit), "")
        for old in [each for each in self._audit if each == path or each != last]:
            opened = self._audit.pop(old)
            if opened.descriptor >= 0:
                os.close(opened.descriptor)

    def _connect(self, number: int, error: str, descriptor: int) -> None:
        waiting = self._dialling.get(number)
        if waiting is None or waiting.done():
            if descriptor >= 0:
                os.close(descriptor)
        elif error:
            waiting.set_exception(ConnectionError(error))
        else:
            waiting.set_result(socket.socket(fileno=descriptor))
