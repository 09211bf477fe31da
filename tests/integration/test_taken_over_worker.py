"""Code inside a decision worker of a running sidecar tries each way out: none works. Without walls each one does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.live import Live
from tests.support.lone_sidecar import LoneSidecar, until
from tests.support.other_user import NOBODY, as_nobody, make_theirs
from tests.support.patience import PATIENCE
from tests.support.taken_over.ways_out import WAYS_OUT

_SHIM = Path(__file__).parents[1] / "support" / "taken_over"
_ROOT = os.geteuid() == 0
_SYSTEM_CALL = -31  # SIGSYS: who asked for what nobody honest asks for
# By whom a worker is ended that tries; the others are refused.
_ENDED = {
    "trace", "read-across", "signal-control-plane", "signal-parent", "signal-a-thread", "take-a-descriptor",
    "become-a-shell", "keyrings", "user-namespace", "execveat",
}  # fmt: skip


class TakenOver:
    """A sidecar whose workers run an exploit when a request asks for it."""

    def __init__(self, live: Live, *, walls: bool, root: bool) -> None:
        self.root = root
        self.john = live.user("john")
        self.sidecar = LoneSidecar(live, {"runtime.decision_workers": 2}, own_certs=True, prepare=self.prepare)
        if not walls:
            (self.sidecar.folder / "shim" / "no_walls").touch()
        if _ROOT and not root:
            live.mesh.folder.chmod(0o711)
            make_theirs(self.sidecar.folder)
            self.sidecar.wrapper = as_nobody(self.sidecar.folder)

    def prepare(self, sidecar: LoneSidecar) -> None:
        shutil.copytree(_SHIM, sidecar.folder / "shim", ignore=shutil.ignore_patterns("__pycache__"))
        sidecar.environment["PYTHONPATH"] = str(sidecar.folder / "shim")

    def outcome(self, way: str) -> str:
        """What the worker got, or how it ended."""
        deaths = self.events("worker_died", exit=_SYSTEM_CALL)
        self.sidecar.call("GET", f"/taken-over/{way}", token=self.john)

        def found() -> str:
            said = self.events("taken_over", way=way)
            if said:
                return str(said[-1]["outcome"])
            return "ended" if len(self.events("worker_died", exit=_SYSTEM_CALL)) > len(deaths) else ""

        until(lambda: bool(found()), PATIENCE, lambda: self.sidecar.log[-2000:])
        return found()

    def events(self, event: str, **fields: object) -> list[dict[str, object]]:
        wanted = {"event": event, **fields}
        lines = [line for line in self.sidecar.log.splitlines() if line.startswith("{")]
        found = [json.loads(line) for line in lines if f'"{event}"' in line]
        return [each for each in found if wanted.items() <= each.items()]


def _users() -> list[str]:
    return ["nobody", "root"] if _ROOT else ["who runs the tests"]


@pytest.fixture(scope="module", params=_users())
def walled(live: Live, request: pytest.FixtureRequest) -> Iterator[TakenOver]:
    yield from _running(live, walls=True, root=request.param == "root")


@pytest.fixture(scope="module")
def bare(live: Live) -> Iterator[TakenOver]:
    yield from _running(live, walls=False, root=False)


def _running(live: Live, *, walls: bool, root: bool) -> Iterator[TakenOver]:
    found = TakenOver(live, walls=walls, root=root)
    with found.sidecar:
        yield found


def test_no_way_out_of_a_worker_leads_anywhere(walled: TakenOver) -> None:
    """It goes on deciding; what nobody honest asks for ends it, and is seen."""
    missing = walled.sidecar.readyz()["missing_walls"]
    assert [wall for wall in missing if not wall.startswith("no Landlock")] == []  # seccomp alone is enough
    ways = [way for way in WAYS_OUT if not (walled.root and way in _ENDED)]  # the same filter: no user matters to it
    outcomes = {way: walled.outcome(way) for way in ways}

    ended = {way for way, outcome in outcomes.items() if outcome == "ended"}
    refused = {way for way, outcome in outcomes.items() if outcome.startswith("PermissionError")}
    assert {way: outcomes[way] for way in ways if way not in ended | refused} == {}
    assert ended == _ENDED & {*ways}
    # Those that ended come back with a pause.
    until(lambda: walled.sidecar.call("GET", "/orders/1", token=walled.john).status == 200)


def test_without_walls_each_one_does(bare: TakenOver) -> None:
    """Else a way out that never worked would prove nothing."""
    outcomes = {way: bare.outcome(way) for way in WAYS_OUT}

    assert {way: outcome for way, outcome in outcomes.items() if not outcome.startswith("got ")} == {}


@pytest.mark.skipif(not _ROOT, reason="only root can become the sidecar's user")
@pytest.mark.parametrize("file", ["environ", "maps", "mem"])
def test_nobody_of_our_uid_reads_the_control_plane(walled: TakenOver, bare: TakenOver, file: str) -> None:
    """Not even from outside of any wall, as Envoy is. That of a sidecar without walls lies open."""
    if walled.root:
        pytest.skip("root reads everything")

    assert _may_open(f"/proc/{_control_plane(bare)}/{file}")
    assert not _may_open(f"/proc/{_control_plane(walled)}/{file}")


def _control_plane(found: TakenOver) -> int:
    return next(each.pid for each in found.sidecar.tree() if "authz_service.cli.main" in each.cmdline())


def _may_open(path: str) -> bool:
    """As the sidecar's user."""
    command = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "head", "-c", "0", path]
    return subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode == 0


def test_the_forkserver_has_walls_too(walled: TakenOver) -> None:
    """It has no secret either, starts no program, and nobody reads its memory."""
    forkserver = next(
        each for each in walled.sidecar.tree() if "authz_service.decision_worker.forkserver" in each.cmdline()
    )
    status = Path(f"/proc/{forkserver.pid}/status").read_text()

    assert "NoNewPrivs:\t1" in status
    assert "Seccomp:\t2" in status
