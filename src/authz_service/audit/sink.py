"""Writes audit lines to standard output or a file, whole or not at all, without ever blocking. Not their content."""

from __future__ import annotations

import os
import select
import socket
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from authz_service.errors import AuditTorn, AuditUnavailable

STANDARD_OUTPUT = "-"
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_MODE = 0o640
_LOOKS, _BETWEEN_LOOKS = 3, 0.002  # seconds
_NOBODY = (0, 0)  # no file has this device and inode


class AuditSink:
    """Appends lines. Several workers share one destination: a line is one `write`, at most PIPE_BUF bytes.

    Nothing is buffered here: when `write` returns, the kernel has the record, and a crash of ours cannot lose it.
    """

    def __init__(self, path: str, standard_output: int = 1) -> None:
        """Raises AuditUnavailable when the destination cannot be opened."""
        self._path = path
        self._standard_output = standard_output
        self._descriptor = -1
        self._send: Callable[[bytes], int] = self._write
        self._identity = _NOBODY
        self._torn = False
        self._open()

    def write(self, line: bytes) -> None:
        """Raises AuditUnavailable when the destination has no room or is gone; then nothing else may happen either."""
        try:
            if self._descriptor < 0:
                self._open()
            if self._torn:
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
        if self._path == STANDARD_OUTPUT:
            return
        try:
            found = Path(self._path).stat()
        except OSError:
            identity = _NOBODY
        else:
            identity = (found.st_dev, found.st_ino)
        if identity != self._identity:
            self.close()
            with suppress(AuditUnavailable):  # the next write reports it, and tries again
                self._open()

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor, self._identity = -1, _NOBODY

    def _open(self) -> None:
        try:
            if self._path == STANDARD_OUTPUT:
                self._descriptor, self._send = self._own_standard_output()
            else:
                self._descriptor = os.open(self._path, _FLAGS | os.O_CREAT, _MODE)
            found = os.fstat(self._descriptor)
        except OSError as error:
            raise AuditUnavailable(f"audit destination {self._path} cannot be opened: {error.strerror}") from error
        self._identity = (found.st_dev, found.st_ino)
        self._torn = stat.S_ISREG(found.st_mode) and self._ends_in_mid_line()

    def _ends_in_mid_line(self) -> bool:
        """Whether somebody was killed in mid-line. Another worker may be in the middle of a write just now: look again.

        Where we may not read we cannot know.
        """
        with suppress(OSError):
            descriptor = os.open(f"/proc/self/fd/{self._descriptor}", os.O_RDONLY | os.O_CLOEXEC)
            try:
                for _ in range(_LOOKS):
                    size = os.fstat(descriptor).st_size
                    if size == 0 or os.pread(descriptor, 1, size - 1) == b"\n":
                        return False
                    time.sleep(_BETWEEN_LOOKS)
            finally:
                os.close(descriptor)
            return True
        return False

    def _own_standard_output(self) -> tuple[int, Callable[[bytes], int]]:
        """A descriptor for it and a way to write that does not block, without changing it for the others who hold it.

        O_NONBLOCK belongs to the open file description, which our parents share; opening it anew gives us our own
        (proc(5)).
        """
        if stat.S_ISSOCK(os.fstat(self._standard_output).st_mode):  # journald's; a socket cannot be opened anew
            return os.dup(self._standard_output), self._send_to_socket
        try:
            return os.open(f"/proc/self/fd/{self._standard_output}", _FLAGS), self._write
        except OSError:  # of another user: an entry point that dropped its privileges left it to us
            return os.dup(self._standard_output), self._write_if_room

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

        There is no room for one more byte, but our own last one can be replaced where it stands.
        """
        self._torn = True  # unless this succeeds, our own next line starts with a line feed
        with suppress(OSError):
            end = os.lseek(self._descriptor, 0, os.SEEK_CUR)  # after a write, its end, also when appending
            place = os.open(f"/proc/self/fd/{self._descriptor}", os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.pwrite(place, b"\n", end - 1)
            finally:
                os.close(place)
            self._torn = False
