"""Whether the files can be watched: an inotify instance for each of Envoy's, of 128 that a user has on most hosts
(inotify(7)), and one for ours, lest we take Envoy's last.

Looked at before it starts: when they are used up, Envoy ends, and says nothing of the sort.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Callable

from authz_service.envoy.resources import Resources
from authz_service.errors import ConfigProblems, Problem

_OURS = 1  # file_watch
_BESIDE = 2  # listeners, clusters
_LIMITS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOSPC})


def watches(resources: Resources) -> int:
    """How many Envoy opens for these: one for each file that it is to follow."""
    return len(resources.secrets) + len(resources.routes) + _BESIDE


def more_watches(resources: Resources, last: Resources | None) -> int:
    """How many must be free to go on from `last` to these; the Envoy that checks them takes one for each secret."""
    if last is None:
        return watches(resources) + _OURS
    return max(len(resources.secrets), watches(resources) - watches(last)) if resources != last else 0


def open_instance() -> int:
    """A descriptor. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = int(libc.inotify_init1(os.O_CLOEXEC))
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return descriptor


def require_watches(needed: int, open_one: Callable[[], int] = open_instance) -> None:
    """Raises ConfigProblems when the system has fewer left, for this user."""
    held: list[int] = []
    try:
        while len(held) < needed:
            held.append(open_one())
    except OSError as error:
        if error.errno not in _LIMITS:
            return  # whatever it is, Envoy will say
        found = f"{needed} inotify instances are needed, and {len(held)} are left to this user: {error.strerror}"
        fix = "raise fs.inotify.max_user_instances (sysctl), or run fewer sidecars per host and user"
        raise ConfigProblems([Problem("(this host)", found, fix)]) from error
    finally:
        for descriptor in held:
            os.close(descriptor)
