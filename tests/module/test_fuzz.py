"""Bytes of any kind for everything that the module reads; `make fuzz-module` tries for longer."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path


def test_whatever_is_read_breaks_no_promise(fuzzer: Path) -> None:
    """The same 50,000 inputs each time, under sanitizers; of each reader some are taken, and some are not."""
    ended = subprocess.run([fuzzer, "50000", "10", "1"], capture_output=True, text=True, timeout=120, check=False)

    assert ended.returncode == 0, ended.stderr
    told = re.findall(r"(\w+): (\d+) tried, (\d+) taken", ended.stdout)
    assert {name for name, _, _ in told} == {"configuration", "base64", "permit", "key", "entries"}
    assert all(0 < int(taken) < int(tried) for _, tried, taken in told), told
