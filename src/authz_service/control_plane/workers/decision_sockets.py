"""The sockets on which Envoy asks: made once by the control plane, and listening whatever becomes of the workers.

What connects while a worker is away waits for its successor, instead of being refused. Nobody reads here.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from pathlib import Path

_WAITING = 1024  # connections


def listen_on(paths: Iterable[Path]) -> list[socket.socket]:
    """One for each path, for us alone (0600), in place of what a predecessor left there."""
    return [_listening(path) for path in paths]


def close(sockets: Iterable[socket.socket]) -> None:
    for each in sockets:
        Path(each.getsockname()).unlink(missing_ok=True)
        each.close()


def _listening(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(str(path))
    path.chmod(0o600)
    listening.listen(_WAITING)
    return listening
