"""The sidecar's private folder: made 0700, locked by one sidecar, written atomically. Not what is in the files."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from pathlib import Path

from authz_service import private_file
from authz_service.errors import AuthzServiceError

_LONGEST_SOCKET = 107  # sun_path of unix(7), less its terminating zero
_FOLDERS = ("run", "sds", "xds", "keys", "bundle", "audit")


class StateDirectoryUnusable(AuthzServiceError):  # noqa: N818 - it names the state
    """The folder cannot be used; the message says what to do."""


class StateDirectory:
    """Held for the life of the process: the lock ends with it.

    Everything is reached by descriptors of folders that were looked at once: a link or a folder that somebody puts in
    their place later leads nowhere.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._folders: dict[str, int] = {}  # by name below the path; "" is the path itself
        self._lock = -1

    def acquire(self) -> None:
        """Make the folder and lock it. Raises StateDirectoryUnusable."""
        if len(str(self.path / "run" / "worker-99.sock.1234567")) > _LONGEST_SOCKET:
            raise StateDirectoryUnusable(
                f"runtime.state_dir {self.path} is too long for Unix sockets; use a shorter path"
            )
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            own = self._folders[""] = _open_own(self.path)
            for name in _FOLDERS:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(name, 0o700, dir_fd=own)
                self._folders[name] = _open_own(self.path / name, dir_fd=own)
            flags = os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
            self._lock = os.open("lock", flags, 0o600, dir_fd=own)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StateDirectoryUnusable(
                f"another sidecar runs with runtime.state_dir {self.path}; give each its own, or stop the other"
            ) from None
        except OSError as error:
            raise StateDirectoryUnusable(
                f"runtime.state_dir {self.path} cannot be used ({error.strerror}: {error.filename}); "
                "name a writable folder, best on tmpfs"
            ) from error

    def write(self, name: str, text: str) -> None:
        """Replace `name` in one step (rename(2)), readable by us alone from the first byte. Envoy sees the old file or
        the new one, never a part.
        """
        folder, _, file = name.rpartition("/")
        private_file.write(file, text.encode(), folder=self._folders[folder])


def _open_own(folder: Path, dir_fd: int | None = None) -> int:
    """A descriptor of a folder that is ours, and nobody else's from now on. With `dir_fd` it is looked for there."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    if folder.is_symlink():
        raise StateDirectoryUnusable(f"runtime.state_dir: {folder} is a link; name the folder that it leads to")
    found = os.open(folder if dir_fd is None else folder.name, flags, dir_fd=dir_fd)
    status = os.fstat(found)
    if status.st_uid != os.geteuid():
        raise StateDirectoryUnusable(
            f"runtime.state_dir: {folder} belongs to uid {status.st_uid}, we run as {os.geteuid()}; "
            "name a folder of our own"
        )
    if status.st_mode & stat.S_IWOTH and os.listdir(found):  # noqa: PTH208 - by its descriptor
        raise StateDirectoryUnusable(
            f"runtime.state_dir: everybody may write to {folder}, and something is in it; empty it, or name another one"
        )
    os.fchmod(found, 0o700)
    return found
