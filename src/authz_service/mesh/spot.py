"""A place in the mesh's files, as findings name it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Spot(NamedTuple):
    """A line of a file, as findings name it."""

    file: str  # as a person at the mesh's folder would write it
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


def shown_path(folder: Path, file: Path) -> str:
    try:
        return file.relative_to(folder).as_posix()
    except ValueError:
        return str(file)
