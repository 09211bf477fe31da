"""Opens where audit records go, for appending and without ever blocking. Not their writing (`sink`).

Who is behind walls has it done by somebody else (decision_worker.handed_over).
"""

from __future__ import annotations

import os
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Protocol

from authz_service.errors import AuditUnavailable

STANDARD_OUTPUT = "-"
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_MODE = 0o640
_LOOKS, _BETWEEN_LOOKS = 3, 0.002  # seconds
_NOBODY = (0, 0)  # no file has this device and inode


class Destination(NamedTuple):
    """Open for appending. `torn`: it ends in the middle of a line."""

    descriptor: int
    torn: bool


class Destinations(Protocol):
    """What a sink needs of whoever opens for it. One path at a time."""

    def open(self, path: str) -> Destination:
        """Raises AuditUnavailable. The descriptor is the caller's to close."""

    def has_moved(self, path: str) -> bool:
        """Whether another file, or none, stands there since it was opened."""

    def mend(self, path: str, descriptor: int) -> bool:
        """End the line that was just written in part. False: not now; ask `is_mended` later."""

    def is_mended(self, path: str) -> bool:
        """Whether somebody has ended it since."""


class OwnDestinations:
    """Opened by this process."""

    def __init__(self, standard_output: int = 1) -> None:
        self._standard_output = standard_output
        self._identity = _NOBODY

    def open(self, path: str) -> Destination:
        self._identity = _NOBODY
        try:
            if path == STANDARD_OUTPUT:
                descriptor = self._own_standard_output()
            else:
                descriptor = os.open(path, _FLAGS | os.O_CREAT, _MODE)
            found = os.fstat(descriptor)
        except OSError as error:
            raise AuditUnavailable(f"audit destination {path} cannot be opened: {error.strerror}") from error
        self._identity = (found.st_dev, found.st_ino)
        return Destination(descriptor, stat.S_ISREG(found.st_mode) and _ends_in_mid_line(descriptor))

    def has_moved(self, path: str) -> bool:
        if path == STANDARD_OUTPUT:
            return False
        try:
            found = Path(path).stat()
        except OSError:
            return self._identity != _NOBODY
        return (found.st_dev, found.st_ino) != self._identity

    def mend(self, path: str, descriptor: int) -> bool:
        """There is no room for one more byte, but the last one can be replaced where it stands."""
        del path
        with suppress(OSError):
            place = os.open(f"/proc/self/fd/{descriptor}", os.O_RDWR | os.O_CLOEXEC)
            try:
                end = os.fstat(place).st_size
                if os.pread(place, 1, end - 1) != b"\n":
                    os.pwrite(place, b"\n", end - 1)
            finally:
                os.close(place)
            return True
        return False

    def is_mended(self, path: str) -> bool:
        del path
        return False

    def _own_standard_output(self) -> int:
        """A descriptor that does not block, without changing it for the others who hold it.

        O_NONBLOCK belongs to the open file description, which our parents share; opening it anew gives us our own
        (proc(5)). A socket, such as journald's, cannot be opened anew.
        """
        if not stat.S_ISSOCK(os.fstat(self._standard_output).st_mode):
            with suppress(OSError):  # of another user: an entry point that dropped its privileges left it to us
                return os.open(f"/proc/self/fd/{self._standard_output}", _FLAGS)
        return os.dup(self._standard_output)


def _ends_in_mid_line(descriptor: int) -> bool:
    """Whether somebody was killed in mid-line. Another worker may be in the middle of a write just now: look again.

    Where we may not read we cannot know.
    """
    with suppress(OSError):
        reading = os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            for _ in range(_LOOKS):
                size = os.fstat(reading).st_size
                if size == 0 or os.pread(reading, 1, size - 1) == b"\n":
                    return False
                time.sleep(_BETWEEN_LOOKS)
        finally:
            os.close(reading)
        return True
    return False
