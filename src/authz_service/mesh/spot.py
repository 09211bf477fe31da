"""A place in the mesh's files, as findings name it."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct


class Spot(Struct, frozen=True, order=True):
    """A line of a file, as findings name it; 0: the whole file."""

    file: str  # as a person at the mesh's folder would write it
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


def shown_path(folder: Path, file: Path) -> str:
    try:
        return file.relative_to(folder).as_posix()
    except ValueError:
        return str(file)
