"""Where events in OPA's format go: a file of JSON lines, or a service with OPA's decision log API. One try each."""

from __future__ import annotations

import asyncio
import errno
import gzip
import os
import stat
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple, Protocol

from authz_service.config.model import DecisionLogFile, DecisionLogService, OpaDecisionLog
from authz_service.errors import AuthzServiceError, FetchError
from authz_service.http_client import HttpClient

MAX_UPLOAD = 32 << 10  # bytes, packed: OPA's own default, so its services take it
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_MODE = 0o640
_NEVER = {HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY}


class EventsRefused(AuthzServiceError):  # noqa: N818 - it names what happened
    """The destination will not take these events the next time either."""


class Chunk(NamedTuple):
    """What is delivered in one piece."""

    content: bytes
    events: int


class Destination(Protocol):
    def packed(self, events: list[bytes]) -> list[Chunk]:
        """Runs in a thread."""

    async def deliver(self, content: bytes) -> None:
        """Raises EventsRefused; or FetchError or OSError, and then nothing or all of it may have arrived."""

    async def aclose(self) -> None: ...


def destination_of(wanted: OpaDecisionLog, hosts: Mapping[str, str]) -> Destination:
    if isinstance(wanted, DecisionLogFile):
        return _File(wanted.path)
    return _Service(wanted, hosts)


class _File:
    def __init__(self, path: Path) -> None:
        self._path = path

    def packed(self, events: list[bytes]) -> list[Chunk]:
        return [Chunk(b"".join(event + b"\n" for event in events), len(events))] if events else []

    async def deliver(self, content: bytes) -> None:
        await asyncio.to_thread(_append, self._path, content)

    async def aclose(self) -> None:
        """It is open only while it is written to."""


def _append(path: Path, content: bytes) -> None:
    """All of it, or an OSError and none of it."""
    descriptor = os.open(path, _FLAGS, _MODE)
    try:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            raise OSError(errno.EINVAL, "is not a regular file", str(path))
        written = os.write(descriptor, content)
        if written != len(content):
            if os.fstat(descriptor).st_size == before.st_size + written:  # nobody else's lines
                os.ftruncate(descriptor, before.st_size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    finally:
        os.close(descriptor)


class _Service:
    def __init__(self, wanted: DecisionLogService, hosts: Mapping[str, str]) -> None:
        self._url = wanted.url.rstrip("/") + "/logs"
        self._hosts, self._ca_file = hosts, wanted.ca_file
        self._headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        if wanted.token is not None:
            self._headers["Authorization"] = f"Bearer {wanted.token.reveal()}"
        self._client: HttpClient | None = None

    def packed(self, events: list[bytes]) -> list[Chunk]:
        """Halved until each fits; one that is too large alone is sent all the same."""
        if not events:
            return []
        content = gzip.compress(b"[" + b",".join(events) + b"]", 6, mtime=0)
        if len(content) <= MAX_UPLOAD or len(events) == 1:
            return [Chunk(content, len(events))]
        middle = len(events) // 2
        return self.packed(events[:middle]) + self.packed(events[middle:])

    async def deliver(self, content: bytes) -> None:
        if self._client is None:
            self._client = HttpClient(self._hosts, self._ca_file)  # raises for authorities that cannot be read
        answer = await self._client.post(self._url, content, self._headers)
        if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
            return
        text = f"{self._url.partition('?')[0]}: answers HTTP {answer.status}"
        if answer.status in _NEVER:
            raise EventsRefused(text)
        raise FetchError(text, retry_after=answer.retry_after)

    async def aclose(self) -> None:
        if self._client is not None:
            await self._client.aclose()
