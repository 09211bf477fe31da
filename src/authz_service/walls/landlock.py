"""A domain of the kernel's Landlock (landlock(7)) around this process, for good. Not which process gets one."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Sequence

from authz_service.walls.linux import NoSuchWall, call

_VERSION = 1  # LANDLOCK_CREATE_RULESET_VERSION
_PATH_BENEATH = 1
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
# How many rights there are at each version of the kernel's interface: each version knows those of the ones before.
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 5: 16}
_TCP = {4: 0b11}  # bind, connect
_SCOPES = {6: 0b11}  # abstract Unix sockets, signals
_NOT_THERE = frozenset({errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM})  # the last: a container's own filter


def enclose(readable: Sequence[str] = ()) -> None:
    """From here on nothing is opened but for reading below `readable`; no TCP, no signals and no tracing to outside.

    What is open stays so. Call it while there is one thread only. Raises NoSuchWall.
    """
    known = version()
    files = (1 << _latest(_FILE_RIGHTS, known)) - 1
    attributes = struct.pack("QQQ", files, _latest(_TCP, known), _latest(_SCOPES, known))
    size = 8 if known < 4 else 16 if known < 6 else 24
    ruleset = call("landlock_create_ruleset", ctypes.create_string_buffer(attributes, size), size, 0)
    try:
        for path in readable:
            _allow_reading(ruleset, path)
        call("landlock_restrict_self", ruleset, 0)
    finally:
        os.close(ruleset)


def version() -> int:
    """Of the kernel's interface. Raises NoSuchWall."""
    try:
        return call("landlock_create_ruleset", 0, 0, _VERSION)
    except OSError as error:
        if error.errno in _NOT_THERE:
            raise NoSuchWall(f"no Landlock ({os.strerror(error.errno)})") from error
        raise


def _allow_reading(ruleset: int, path: str) -> None:
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = struct.pack("=Qi", _READ_FILE | _READ_DIR, place)
        call("landlock_add_rule", ruleset, _PATH_BENEATH, ctypes.create_string_buffer(rule, len(rule)), 0)
    finally:
        os.close(place)


def _latest(by_version: dict[int, int], version: int) -> int:
    return max((value for since, value in by_version.items() if since <= version), default=0)
