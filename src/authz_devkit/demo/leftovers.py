"""What a mesh that has ended leaves behind, and how it goes away."""

import shutil
from collections.abc import Collection
from pathlib import Path


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
