"""A sidecar that runs as nobody, where the tests run as root. Needs `unshare` and `setpriv` (util-linux)."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import authz_service

NOBODY = 65534


def make_theirs(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        shutil.chown(path, NOBODY, NOBODY)


def as_nobody(folder: Path) -> tuple[str, ...]:
    """A command that becomes the one behind it, for `LoneSidecar.wrapper`."""
    script = f"""
set -e
{make_reachable(folder / "stage")}
exec setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups --inh-caps=-all "$@"
"""
    return (str(shutil.which("unshare")), "--mount", "sh", "-c", script, "sh")


def make_reachable(stage: Path) -> str:
    """Shell lines that let everybody reach interpreter and code where a folder above them is closed to others."""
    lines = []
    wanted = {Path(sys.base_prefix), Path(sys.prefix), Path(authz_service.__path__[0]).parent}
    closed = {parent for path in wanted for parent in path.parents if not parent.stat().st_mode & 0o001}
    for number, top in enumerate(sorted(top for top in closed if not closed & set(top.parents))):
        inside = sorted(path for path in wanted if top in path.parents)
        staged = [(path, stage / f"{number}-{index}") for index, path in enumerate(inside)]
        lines += [f"mkdir -p {place}; mount --rbind {path} {place}" for path, place in staged]
        lines += [f"mount -t tmpfs -o mode=755 none {top}"]
        lines += [f"mkdir -p {path}; mount --rbind {place} {path}" for path, place in staged]
    return "\n".join(lines)
