"""The unit of systemd: what systemd says of it, and that it leaves room for what the sidecar does to itself."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from authz_service.config.sections.runtime import Runtime
from authz_service.walls.system_calls import ARCHITECTURES

UNIT = Path(__file__).parents[3] / "deploy" / "systemd" / "authz.service"
SETTINGS = re.findall(r"^(\w+)=(.*)$", UNIT.read_text(), re.MULTILINE)
# Of the walls (walls/), and of the limit of descriptors (control_plane/preflight/descriptors.py).
_NEEDED = {"capset", "seccomp", "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self", "prlimit64"}


def _said(name: str) -> list[str]:
    return [value for setting, value in SETTINGS if setting == name]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_calls_its_exposure_low() -> None:
    """2.0 at most, of 10; with one wall less, by what it says, more."""
    words = ["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=20", str(UNIT)]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == 0, ended.stdout[-400:] + ended.stderr


def test_the_walls_can_be_raised_within_its_filter() -> None:
    """They are in none of systemd's groups that are let through; what a later line lets through counts."""
    *_, last = _said("SystemCallFilter")

    assert set(last.split()) >= _NEEDED
    assert set(ARCHITECTURES["x86_64"].numbers) >= {name for name in _NEEDED if name.startswith("landlock")}
    assert not _said("MemoryDenyWriteExecute")


def test_it_gives_the_time_and_the_place_that_the_sidecar_needs() -> None:
    """Longer to stop than requests have to end; and the default state directory is the unit's own."""
    (stop,) = _said("TimeoutStopSec")

    assert int(stop.removesuffix("s")) > Runtime().drain
    assert Runtime().state_dir == Path("/run") / _said("RuntimeDirectory")[0]
    assert _said("KillMode") == ["mixed"]
    assert _said("User") == ["authz"]
