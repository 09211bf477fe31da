"""Whatever dies comes back or takes all with it; a stop loses nothing in in_flight, and no death lets anybody in."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil
import pytest
from tests.support.live import Live
from tests.support.load import Load, get
from tests.support.lone_config import put
from tests.support.lone_sidecar import HOST, LoneSidecar, until
from tests.support.neighbours import Answer
from tests.support.patience import PATIENCE

from authz_service.domain.refusals import Reason

StartSidecar = Callable[..., LoneSidecar]


def a_load(sidecar: LoneSidecar, token: str, path: str = "/orders/1") -> Load:
    request = get(path, HOST, authorization=f"Bearer {token}")
    return Load(sidecar.place, request, sidecar.tls(), server_name=HOST, clients=4)


def test_the_death_of_a_worker_costs_no_request(start_sidecar: StartSidecar, live: Live) -> None:
    """One after the other, in mid-request too; each is replaced and counted."""
    sidecar, john = start_sidecar(), live.user("john")
    with a_load(sidecar, john) as load:
        for deaths in (1, 2, 3):
            victim = sidecar.workers()[deaths % 2]
            victim.kill()
            until(lambda deaths=deaths: sidecar.metric("authz_worker_restarts_total") == deaths)  # type: ignore[misc]
            until(lambda: sidecar.metric("authz_workers") == 2)
    assert load.failures == []
    assert load.refused == 0
    assert len(sidecar.workers()) == 2


@pytest.mark.parametrize("part", ["envoy", "forkserver"])
def test_what_dies_comes_back_and_nobody_slips_in(start_sidecar: StartSidecar, live: Live, part: str) -> None:
    """While it is away requests fail; those that must be refused never reach the service."""
    sidecar, john = start_sidecar(), live.user("john")
    find = {"envoy": sidecar.envoy, "forkserver": sidecar.forkserver}[part]
    with (
        a_load(sidecar, john) as good,
        a_load(sidecar, john, "/forbidden") as hostile,
        a_load(sidecar, "x") as stranger,
    ):
        for _ in range(2):
            until(lambda: good.answered > 5)
            dying = [find(), *find().children()]
            find().kill()
            until(lambda: serves(sidecar, john))
            until(lambda dying=dying: not any(alive(process) for process in dying))  # type: ignore[misc]
            until(lambda: sidecar.readyz()["ready"])
            time.sleep(1.1)  # one that dies sooner is started again with a pause
    assert hostile.answered == stranger.answered == 0
    assert f"status 403 {Reason.POLICY_DENIED}" in hostile.failures
    assert {seen.target for seen in sidecar.echo.seen} == {"/orders/1"}
    assert sidecar.call("GET", "/forbidden", token=john).status == 403


def test_without_the_control_plane_nothing_is_left(start_sidecar: StartSidecar) -> None:
    """kill -9 of the parent: no process stays behind to serve by old rules."""
    sidecar = start_sidecar()
    everybody = sidecar.tree()
    assert len(everybody) >= 5

    everybody[0].kill()
    until(lambda: not any(alive(process) for process in everybody))
    with pytest.raises(ConnectionError):
        sidecar.call("GET", "/orders/1")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_loses_no_request_in_flight(start_sidecar: StartSidecar, live: Live, number: signal.Signals) -> None:
    """Slow ones are waited for, keep-alive clients are told to go; then nothing is left, and the exit code is 0."""
    sidecar, john = start_sidecar(), live.user("john")
    everybody = sidecar.tree()
    answers: list[Answer] = []
    slow = [
        threading.Thread(target=lambda: answers.append(sidecar.call("GET", "/orders/1?delay=3", token=john)))
        for _ in range(5)
    ]
    with a_load(sidecar, john) as load:
        for thread in slow:
            thread.start()
        until(lambda: sum("delay" in path for path in sidecar.echo.paths()) == 5)
        assert sidecar.process is not None
        sidecar.process.send_signal(number)
        until(lambda: not sidecar.readyz()["ready"])
        assert sidecar.process.wait(PATIENCE) == 0
        for thread in slow:
            thread.join()
    assert [answer.status for answer in answers] == [200] * 5
    assert load.failures == []
    assert load.refused > 0
    assert not any(alive(process) for process in everybody)


def test_two_sidecars_do_not_share_a_port(start_sidecar: StartSidecar, live: Live) -> None:
    """The second one says which address and ends; the first one serves on."""
    sidecar, john = start_sidecar(), live.user("john")

    ended = run_changed(sidecar, {"runtime.state_dir": str(sidecar.folder / "other")})
    assert ended.returncode == 1
    for at, port in (("http.addr", 8443), ("admin.addr", 9901)):
        assert f"{at}: cannot listen on {sidecar.address}:{port}: Address already in use" in ended.stderr
    assert "another process listens there" in ended.stderr
    assert serves(sidecar, john)


def test_two_sidecars_do_not_share_a_state_directory(start_sidecar: StartSidecar, live: Live) -> None:
    """Their Envoys would read each other's files."""
    sidecar, john = start_sidecar(), live.user("john")

    elsewhere = live.free_address()
    ended = run_changed(sidecar, {"http.addr": f"{elsewhere}:8443", "admin.addr": f"{elsewhere}:9901"})
    assert ended.returncode == 1
    assert f"another sidecar runs with runtime.state_dir {sidecar.folder}/state" in ended.stderr
    assert serves(sidecar, john)


UNUSABLE: Mapping[str, tuple[Mapping[str, object], list[str]]] = {
    "configuration": (
        {
            "http.tls.client_auth": "maybe",
            "proxy.mtl": {"enabled": False},
            "jwt.leeway": "soon",
        },
        ["http.tls.client_auth", "proxy.mtl", "jwt.leeway", "3 problems."],
    ),
    "variables": (
        {"admin.addr": "${NOT_SET_ANYWHERE}", "service.name": "${NOR_THIS}"},
        ["admin.addr", "NOT_SET_ANYWHERE", "service.name", "NOR_THIS", "2 problems."],
    ),
    "certificates": (
        {"http.tls.cert_file": "/nowhere/a.crt", "http.tls.client_ca_file": "/nowhere/b.crt"},
        ["/nowhere/a.crt", "/nowhere/b.crt", "2 problems."],
    ),
    "policy": ({"proxy.authz.policy_query": "data.lone.nothing"}, ["data.lone.nothing", "1 problem."]),
}


@pytest.mark.parametrize("what", UNUSABLE)
def test_what_cannot_be_used_does_not_start(start_sidecar: StartSidecar, live: Live, what: str) -> None:
    """Exit code 1 with everything that is wrong, each with what to do, and nothing left running."""
    changes, told = UNUSABLE[what]
    address = live.free_address()
    sidecar = start_sidecar()
    apart = {
        "http.addr": f"{address}:8443",
        "admin.addr": f"{address}:9901",
        "runtime.state_dir": str(sidecar.folder / "s"),
    }
    ended = run_changed(sidecar, apart | dict(changes))

    assert ended.returncode == 1
    assert [text for text in told if text not in ended.stderr] == []
    assert "Traceback" not in ended.stderr
    if what == "configuration":
        assert f"{sidecar.folder}/changed.yaml:" in ended.stderr
    marks = (f"{sidecar.folder}/changed.yaml", f"{sidecar.folder}/s/")
    lines = [" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])]
    assert [line for line in lines if any(mark in line for mark in marks)] == []


def run_changed(sidecar: LoneSidecar, changes: Mapping[str, object]) -> subprocess.CompletedProcess[str]:
    """Another sidecar with the same configuration but for `changes`; it is expected to end by itself."""
    config = json.loads(json.dumps(sidecar.config))
    for path, value in changes.items():
        put(config, path, value)
    file: Path = sidecar.folder / "changed.yaml"
    file.write_text(json.dumps(config, indent=1))
    return subprocess.run(
        [*sidecar.command[:-1], str(file)], capture_output=True, text=True, timeout=PATIENCE, check=False
    )


def serves(sidecar: LoneSidecar, token: str) -> bool:
    try:
        return sidecar.call("GET", "/orders/1", token=token).status == 200
    except OSError:
        return False


def alive(process: psutil.Process) -> bool:
    """A zombie is dead: only its new parent has not noticed yet."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
