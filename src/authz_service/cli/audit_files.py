"""Audit files as a command line names them: packed or not, standard input too."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path
from typing import BinaryIO, cast

STANDARD_INPUT = "-"
_GZIP = b"\x1f\x8b"


def opened(file: str) -> BinaryIO:
    """Raises OSError, which says it for a person."""
    if file == STANDARD_INPUT:
        return sys.stdin.buffer
    if Path(file).is_dir():
        raise IsADirectoryError(f"{file} is a folder: name its files, such as {file.rstrip('/')}/*.jsonl")
    with Path(file).open("rb") as stream:
        packed = stream.read(2) == _GZIP
    return cast("BinaryIO", gzip.open(file)) if packed else Path(file).open("rb")
