"""Writes audit lines to standard output or a file, whole or not at all, without ever blocking. Not their content.

It has the destination opened for it (`destinations`): a worker opens nothing.
"""

from __future__ import annotations

import fcntl
import os
import select
import socket
import stat
from collections.abc import Callable
from contextlib import suppress

from authz_service.audit.destinations import Destinations, OwnDestinations
from authz_service.errors import AuditTorn, AuditUnavailable


class AuditSink:
    """Appends lines. Several workers share one destination: a line is one `write`, at most PIPE_BUF bytes.

    Nothing is buffered here: when `write` returns, the kernel has the record, and a crash of ours cannot lose it.
    """

    def __init__(self, path: str, destinations: Destinations | None = None) -> None:
        """Raises AuditUnavailable when the destination cannot be opened."""
        self._path = path
        self._destinations = destinations or OwnDestinations()
        self._descriptor = -1
        self._send: Callable[[bytes], int] = self._write
        self._torn = False
        self._open()

    def write(self, line: bytes) -> None:
        """Raises AuditUnavailable when the destination has no room or is gone; then nothing else may happen either."""
        try:
            if self._descriptor < 0:
                self._open()
            if self._torn and not self._destinations.is_mended(self._path):
                line = b"\n" + line
            written = self._send(line)
        except OSError as error:  # BlockingIOError (a full pipe), ENOSPC, EROFS, EPIPE, …
            raise AuditUnavailable(f"audit record not written to {self._path}: {error.strerror}") from error
        if written != len(line):
            self._end_torn_line()
            message = f"audit record written in part to {self._path}: no room"
            raise AuditTorn(message) if self._torn else AuditUnavailable(message)
        self._torn = False

    def reopen_if_moved(self) -> None:
        """Follow a rotation: when another file (or none) stands at the path, open that. Called about once a second."""
        if self._destinations.has_moved(self._path):
            self.close()
            with suppress(AuditUnavailable):  # the next write reports it, and tries again
                self._open()

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    def _open(self) -> None:
        self._descriptor, self._torn = self._destinations.open(self._path)
        if stat.S_ISSOCK(os.fstat(self._descriptor).st_mode):
            self._send = self._send_to_socket
        elif fcntl.fcntl(self._descriptor, fcntl.F_GETFL) & os.O_NONBLOCK:
            self._send = self._write
        else:
            self._send = self._write_if_room

    def _write(self, line: bytes) -> int:
        return os.write(self._descriptor, line)

    def _write_if_room(self, line: bytes) -> int:
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        if not poll.poll(0):
            raise BlockingIOError(0, "no room")
        return os.write(self._descriptor, line)

    def _send_to_socket(self, line: bytes) -> int:
        with socket.socket(fileno=os.dup(self._descriptor)) as end:
            return end.send(line, socket.MSG_DONTWAIT)

    def _end_torn_line(self) -> None:
        """The disk filled up in mid-line: end that line, or the next record, of whichever worker, would be glued to it.

        Unless that succeeds, our own next line starts with a line feed.
        """
        self._torn = not self._destinations.mend(self._path, self._descriptor)
