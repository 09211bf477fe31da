"""Writes a file that only we can read, whole or not at all. Not where such files lie."""

import contextlib
import os


def write(name: str, content: bytes, *, folder: int | os.PathLike[str]) -> None:
    """Replace `name` in one step (rename(2)), 0600 from the first byte: who reads it sees the old file or the new one.

    `folder` is a path, or the descriptor of one that nobody can swap for another. Raises OSError.
    """
    there = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC) if not isinstance(folder, int) else folder
    try:
        fresh = f".{name}.new"
        with contextlib.suppress(FileNotFoundError):  # of a process that was killed, or prepared by a stranger
            os.unlink(fresh, dir_fd=there)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(fresh, flags, 0o600, dir_fd=there), "wb") as stream:
            stream.write(content)
        os.rename(fresh, name, src_dir_fd=there, dst_dir_fd=there)
    finally:
        if there is not folder:
            os.close(there)
