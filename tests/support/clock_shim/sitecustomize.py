"""Imported by every Python with this folder on its path, before all else: its wall clock is off by what a file says.

Not Envoy's: that is no Python. `time.monotonic` and `CLOCK_BOOTTIME` stay, as they do when somebody sets a clock.
"""

import mmap
import struct
import time
from pathlib import Path

_FILE = Path(__file__).with_name("offset")  # eight bytes: seconds, as a float


def _shifted() -> None:
    with _FILE.open("rb") as file:
        offset = mmap.mmap(file.fileno(), 8, prot=mmap.PROT_READ)
    true_time = time.time
    time.time = lambda: true_time() + struct.unpack("d", offset[:8])[0]


if _FILE.exists():
    _shifted()
