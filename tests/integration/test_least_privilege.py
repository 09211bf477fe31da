"""As nobody, on a read-only root: a sidecar needs no privilege, and writes nowhere but into its state directory."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from tests.support.live import Live
from tests.support.lone_sidecar import LoneSidecar

import authz_service

NOBODY = 65534
# Its own mount namespace, in which everything is read-only but the state directory, and then another user for good.
_SCRIPT = """
set -e
{make_reachable}
mount -t tmpfs -o mode=700,uid={nobody},gid={nobody} none {state}
mount -o remount,bind,ro /
exec setpriv --reuid={nobody} --regid={nobody} --clear-groups --inh-caps=-all --no-new-privs "$@"
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else and mount")
def test_it_runs_as_nobody_on_a_read_only_root(live: Live) -> None:
    """It serves, refuses, records, reloads nothing it cannot read, and stops."""
    sidecar = LoneSidecar(live, {"audit.path": "-"}, own_certs=True)
    live.mesh.folder.chmod(0o711)
    state = sidecar.folder / "state"
    state.mkdir()
    for path in (sidecar.folder, *sidecar.folder.rglob("*")):
        shutil.chown(path, NOBODY, NOBODY)
    script = _SCRIPT.format(nobody=NOBODY, state=state, make_reachable=make_reachable(sidecar.folder / "stage"))
    john = live.user("john")
    with sidecar.echo:
        try:
            sidecar.start((str(shutil.which("unshare")), "--mount", "sh", "-c", script, "sh"))
            sidecar.wait_ready()
            assert sidecar.call("GET", "/orders/1", token=john).status == 200
            assert sidecar.call("GET", "/forbidden", token=john).status == 403
            assert sidecar.log.count('"event":"access"') == 2
            for process in sidecar.tree():
                assert set(process.uids()) == {NOBODY}
                facts = Path(f"/proc/{process.pid}/status").read_text()
                assert "CapEff:\t0000000000000000" in facts
                assert "NoNewPrivs:\t1" in facts
                root, *_ = (
                    line for line in Path(f"/proc/{process.pid}/mounts").read_text().splitlines() if " / " in line
                )
                assert root.split()[3].startswith("ro")
            assert sidecar.stop() == 0
        finally:
            if sidecar.process is not None:
                sidecar.process.kill()
                sidecar.process.wait()


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
