"""Calls of the kernel that Python has no function for (prctl(2), syscall(2)). Not what they are used for."""

from __future__ import annotations

import ctypes
import os
import platform

from authz_service.walls.system_calls import ARCHITECTURES, Architecture

SET_DUMPABLE = 4
SET_NO_NEW_PRIVS = 38


class NoSuchWall(Exception):  # noqa: N818 - it names what is missing
    """The kernel, or whoever contains us, does not have it; the message says what."""


def prctl(option: int, value: int) -> None:
    """Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0)) != 0:
        raise _error("prctl")


def call(name: str, *arguments: int | ctypes.Array[ctypes.c_char]) -> int:
    """What the system call answers. Raises OSError, also where the kernel does not have it."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    given = [ctypes.c_long(argument) if isinstance(argument, int) else argument for argument in arguments]
    answer: int = libc.syscall(ctypes.c_long(architecture().numbers[name]), *given)
    if answer < 0:
        raise _error(name)
    return answer


def architecture() -> Architecture:
    """Raises NoSuchWall on one that we have no numbers for."""
    found = ARCHITECTURES.get(platform.machine())
    if found is None or ctypes.sizeof(ctypes.c_void_p) != 8:
        raise NoSuchWall(f"no walls are known for {platform.machine()}")
    return found


def _error(name: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"{name}: {os.strerror(number)}")
