"""The sidecar's private folder: made 0700, locked by one sidecar, written atomically. Not what is in the files."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from authz_service.errors import AuthzServiceError

_LONGEST_SOCKET = 107  # sun_path of unix(7), less its terminating zero


class StateDirectoryUnusable(AuthzServiceError):  # noqa: N818 - it names the state
    """The folder cannot be used; the message says what to do."""


class StateDirectory:
    """Held for the life of the process: the lock ends with it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = -1

    def acquire(self) -> None:
        """Make the folder and lock it. Raises StateDirectoryUnusable."""
        if len(str(self.path / "run" / "worker-99.sock.1234567")) > _LONGEST_SOCKET:
            raise StateDirectoryUnusable(
                f"runtime.state_dir {self.path} is too long for Unix sockets; use a shorter path"
            )
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            found = self.path.stat()
            if found.st_uid != os.geteuid():
                raise StateDirectoryUnusable(
                    f"runtime.state_dir {self.path} belongs to uid {found.st_uid}, we run as {os.geteuid()}; "
                    "name a folder of our own"
                )
            self.path.chmod(0o700)
            for name in ("run", "sds", "xds", "keys", "bundle", "audit"):
                (self.path / name).mkdir(exist_ok=True, mode=0o700)
            self._lock = os.open(self.path / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StateDirectoryUnusable(
                f"another sidecar runs with runtime.state_dir {self.path}; give each its own, or stop the other"
            ) from None
        except OSError as error:
            raise StateDirectoryUnusable(
                f"runtime.state_dir {self.path} cannot be used ({error.strerror}); "
                "name a writable folder, best on tmpfs"
            ) from error

    def write(self, name: str, text: str) -> None:
        """Replace `name` in one step (rename(2)), readable by us alone. Envoy sees the old file or the new one."""
        write_atomically(self.path / name, text)


def write_atomically(path: Path, text: str) -> None:
    """Mode 0600 from the first byte; a reader sees the old content or the new, never a part."""
    fresh = path.with_name(f".{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    fresh.rename(path)
