"""Unix sockets of ours: whether one may be made at a path, so that nobody else can take its place and we take nobody's,
and the making.
"""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterable
from pathlib import Path

from authz_service.errors import Problem

WAITING = 1024  # connections


def folder_problems(at: str, folder: Path) -> list[Problem]:
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        fix = "make the folder, writable by the sidecar and by nobody else"
        return [Problem(at, f"{folder} is not a folder that we can write to", fix)]
    if folder.stat().st_mode & stat.S_IWOTH:
        fix = "use a folder that only the sidecar may write to: others could put their own socket in its place"
        return [Problem(at, f"everybody may write to {folder}", fix)]
    return []


def in_use(path: str) -> str:
    """Why the path cannot be taken; "" when it is free, or a dead predecessor's socket, which may be removed."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return ""
    if not stat.S_ISSOCK(found.st_mode):
        return "there is something else at this path"
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return ""
        except OSError as error:
            return error.strerror or str(error)
    return "another process listens there"


def listen_at(path: Path, mode: int = 0o600) -> socket.socket:
    """In place of what a predecessor left there. Never more open than asked for."""
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listening.bind(str(path))
    finally:
        os.umask(before)
    path.chmod(mode)
    listening.listen(WAITING)
    return listening


def close(sockets: Iterable[socket.socket]) -> None:
    """Nobody shall wait at a door that is not opened again."""
    for each in sockets:
        if each.family == socket.AF_UNIX:
            Path(each.getsockname()).unlink(missing_ok=True)
        each.close()
