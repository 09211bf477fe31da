"""What a mesh that has ended leaves behind, and how it goes away."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Collection
from pathlib import Path

_PREFIX = "authz-mesh-"
_IN_USE = "in-use"  # locked for as long as the process lives that made the folder


def new_folder() -> Path:
    """A fresh private folder with a short path: Unix sockets live below it. It counts as ours until we end."""
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    fresh = folder / ".in-use"
    lock = os.open(fresh, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)  # never closed; children do not get it
    fcntl.flock(lock, fcntl.LOCK_EX)
    fresh.rename(folder / _IN_USE)  # nobody sees it before it is locked
    return folder


def forget(folder: Path, *, keep: Collection[str] = ()) -> None:
    """Remove the keys, tokens and database of a mesh that has ended, and all else but `keep`."""
    for entry in folder.iterdir():
        if entry.name in keep:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    if not keep:
        folder.rmdir()


def forget_killed() -> list[Path]:
    """Remove the folders of meshes of this user whose process was killed, and could not do it; which those were."""
    killed = [folder for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*") if _was_left(folder)]
    for folder in killed:
        shutil.rmtree(folder, ignore_errors=True)
    return killed


def _was_left(folder: Path) -> bool:
    """Whether it is ours, and nobody holds it any more. One without a lock was put away as its mesh ended; one that
    goes meanwhile was left by nobody.
    """
    try:
        if folder.is_symlink() or folder.lstat().st_uid != os.geteuid():
            return False
        with (folder / _IN_USE).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
