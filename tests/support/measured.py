"""Takes what a sidecar's processes reached into the run's coverage, where there is one: `make coverage`."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from tests.coverage import measured_process
from tests.coverage.measured_process import LENGTH, PART, PARTS, SUFFIX

from coverage import Coverage, CoverageData


def is_measured() -> bool:
    return Coverage.current() is not None


def begin(folder: Path) -> dict[str, str]:
    """The environment for a sidecar whose processes write into this folder, which is made. PYTHONPATH is all that
    a control plane hands on to its children."""
    folder.mkdir(exist_ok=True)
    with contextlib.suppress(FileExistsError):  # it is started again
        (folder / "sitecustomize.py").symlink_to(measured_process.__file__)
    inherited = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": f"{folder}:{inherited}" if inherited else str(folder)}


def take(folder: Path) -> None:
    """What was written, once they have ended. Who was killed wrote nothing."""
    running = Coverage.current()
    assert running is not None
    for file in folder.glob(f"*{SUFFIX}"):
        with file.open("rb") as parts:
            for number in range(PARTS):
                parts.seek(number * PART)
                (length,) = LENGTH.unpack(parts.read(LENGTH.size))
                if length:
                    data = CoverageData(str(running.get_option("run:data_file")), suffix=True)
                    data.loads(parts.read(length))  # writes, too; by `write` all had one name and counted once
        file.unlink()
