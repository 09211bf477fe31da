"""How many files and sockets a process of ours may have open (setrlimit(2), RLIMIT_NOFILE). Children inherit it."""

from __future__ import annotations

import resource
from collections.abc import Iterator

from authz_service.config.model import Config
from authz_service.control_plane.part import Part

_OTHERS = 200  # files, sockets between our processes, the admin interface
# Each connection to us may need one to whoever is behind us, and both doors have `http.max_connections`.
_PER_CONNECTION = 4


def raise_limit() -> int:
    """To what the system allows: the customary 1,024 is less than the doors let in. Returns the limit."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


class Descriptors(Part):
    """Looked at while we run: the configuration may want more connections."""

    def __init__(self) -> None:
        self._limit = raise_limit()
        self._problem = ""

    def look(self, config: Config) -> None:
        self._problem = shortage(self._limit, config)

    def degraded(self) -> Iterator[str]:
        if self._problem:
            yield self._problem


def shortage(limit: int, config: Config) -> str:
    """What to tell when there are fewer than `http.max_connections` can need; "" when there are enough."""
    needed = _PER_CONNECTION * config.http.max_connections + _OTHERS
    if limit == resource.RLIM_INFINITY or limit >= needed:
        return ""
    return (
        f"{limit} file descriptors are allowed, and {config.http.max_connections} connections (http.max_connections) "
        f"may need {needed}: raise the limit (LimitNOFILE=, ulimit -Hn), or lower http.max_connections"
    )
