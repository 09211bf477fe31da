"""As nobody, on a read-only root: a sidecar needs no privilege, and writes nowhere but into its state directory."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from tests.support.live import Live
from tests.support.lone_sidecar import LoneSidecar
from tests.support.other_user import NOBODY, make_reachable, make_theirs

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
    make_theirs(sidecar.folder)
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
