"""Which walls each process of ours raises around itself, so that who takes it over finds nothing and reaches nobody.

A wall holds for the life of the process and of whoever it starts. What the kernel does not have is told, not raised:
the others hold without it. What each keeps out: docs/decisions/walls-around-the-workers.md.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Callable

from authz_service.walls import landlock, seccomp
from authz_service.walls.linux import SET_DUMPABLE, SET_NO_NEW_PRIVS, NoSuchWall, architecture, call, prctl

# Of nobody else: not 65534, as which others run. Within what a container's user namespace maps.
OWN_USER = 65_533
_CAPABILITIES_3 = 0x20080522  # _LINUX_CAPABILITY_VERSION_3
_NEEDED_TO_LEAVE = (1 << 5) | (1 << 6) | (1 << 7)  # CAP_KILL (our parent ends us), CAP_SETGID, CAP_SETUID


def hide_memory() -> None:
    """Nobody of our uid reads our memory, environment or descriptors, or traces us (PR_SET_DUMPABLE; no core dump)."""
    prctl(SET_DUMPABLE, 0)


def around_forkserver() -> None:
    """It forks, signals its workers and reads their state in /proc; who asks for more is ended."""
    prctl(SET_NO_NEW_PRIVS, 1)
    hide_memory()
    _unless_missing(lambda: landlock.enclose(["/proc"]))
    _unless_missing(lambda: seccomp.install(seccomp.parent_filter(architecture())))


def around_door() -> None:
    """It reads what strangers send, follows its files and connects to workers; it starts and traces nobody."""
    prctl(SET_NO_NEW_PRIVS, 1)
    hide_memory()
    _unless_missing(lambda: seccomp.install(seccomp.parent_filter(architecture())))


def around_worker() -> list[str]:
    """Nothing but the descriptors that it has: no file, socket, process or signal. What this kernel lacks, in words."""
    prctl(SET_NO_NEW_PRIVS, 1)
    hide_memory()
    walls = (landlock.enclose, lambda: seccomp.install(seccomp.worker_filter_here(architecture())))
    return [missing for wall in walls if (missing := _unless_missing(wall))]


def leave_root() -> list[str]:
    """Root becomes a user of nobody else, and everybody loses his capabilities. What could not be done, in words.

    The kernel forgets PR_SET_PDEATHSIG here.
    """
    missing = []
    if os.geteuid() == 0:
        try:
            if effective_capabilities() & _NEEDED_TO_LEAVE != _NEEDED_TO_LEAVE:
                raise PermissionError("without CAP_SETUID, CAP_SETGID and CAP_KILL")
            os.setgroups([])
            os.setresgid(OWN_USER, OWN_USER, OWN_USER)
            os.setresuid(OWN_USER, OWN_USER, OWN_USER)
        except OSError as error:
            missing.append(f"no user of its own ({error})")
    header = struct.pack("Ii", _CAPABILITIES_3, 0)
    call("capset", ctypes.create_string_buffer(header, len(header)), ctypes.create_string_buffer(bytes(24), 24))
    return missing


def effective_capabilities() -> int:
    """CapEff of proc(5)."""
    with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123
        return next(int(line.split()[1], 16) for line in status if line.startswith("CapEff:"))


def _unless_missing(raise_wall: Callable[[], None]) -> str:
    """What is missing, or ""."""
    try:
        raise_wall()
    except NoSuchWall as missing:
        return str(missing)
    except OSError as error:
        return str(error)
    return ""
