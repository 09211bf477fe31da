"""The wall clock of one sidecar's Python processes, to be set while they run. Envoy keeps the machine's."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

from tests.support.lone_sidecar import LoneSidecar

from authz_service.envoy.decision_cache import NONE, OVERRIDE

SHIM = Path(__file__).with_name("clock_shim") / "sitecustomize.py"


class ShiftedClock:
    """`prepare` is for `LoneSidecar(prepare=…)`: the clock is true until it is set."""

    def __init__(self) -> None:
        self._file = Path()

    def prepare(self, sidecar: LoneSidecar) -> None:
        folder = sidecar.folder / "clock"
        folder.mkdir()
        shutil.copy(SHIM, folder)
        self._file = folder / "offset"
        self._file.write_bytes(struct.pack("d", 0.0))
        sidecar.environment["PYTHONPATH"] = str(folder)
        sidecar.environment[OVERRIDE] = NONE  # Envoy's clock is another here; tests/module sets that of its filter

    def set(self, seconds: float) -> None:
        """So many ahead of the truth, for all processes at once."""
        with self._file.open("r+b") as file:
            file.write(struct.pack("d", seconds))
