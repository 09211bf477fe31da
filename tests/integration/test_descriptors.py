"""File descriptors: what the system allows is used; too few are told, cost refusals and nothing else."""

from __future__ import annotations

import contextlib
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.support.live import Live
from tests.support.lone_sidecar import HOST, LoneSidecar, ask_again, until
from tests.support.patience import PATIENCE

StartSidecar = Callable[..., LoneSidecar]
_MANY = 300  # connections; with one more behind each of them, more than 256 descriptors


def allowed(soft: int, hard: int) -> Callable[[LoneSidecar], None]:
    def prepare(sidecar: LoneSidecar) -> None:
        sidecar.wrapper = (str(shutil.which("prlimit")), f"--nofile={soft}:{hard}")

    return prepare


@contextlib.contextmanager
def crowd(sidecar: LoneSidecar, patience: float) -> Iterator[int]:
    """How many of many connections could be made, each within this time; they are open within it."""
    with contextlib.ExitStack() as stack:
        made = 0
        context = sidecar.tls()
        for _ in range(_MANY):
            plain = stack.enter_context(socket.create_connection(sidecar.place, PATIENCE))
            plain.settimeout(patience)
            wrapped = context.wrap_socket(plain, server_hostname=HOST, do_handshake_on_connect=False)
            stack.enter_context(wrapped)
            try:
                wrapped.do_handshake()
            except OSError:  # ssl.SSLError, TimeoutError
                break
            made += 1
        yield made


def descriptors_of(pid: int) -> tuple[str, str]:
    """Soft and hard limit, as everybody may read them: nobody may ask a worker itself."""
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
    soft, hard = next(line.split()[3:5] for line in lines if line.startswith("Max open files"))
    return soft, hard


def test_the_customary_soft_limit_is_no_limit(start_sidecar: StartSidecar, live: Live) -> None:
    """It is raised to the hard one, for the workers too: each request in flight is a connection to one of them."""
    sidecar = start_sidecar(prepare=allowed(256, 8192))
    assert {descriptors_of(process.pid) for process in sidecar.tree()} == {("8192", "8192")}
    with crowd(sidecar, PATIENCE) as made:
        assert made == _MANY
        assert sidecar.call("GET", "/orders/1", token=live.user("john")).status == 200
    assert sidecar.readyz()["degraded"] == []


def test_too_few_are_told_and_cost_refusals_only(start_sidecar: StartSidecar, live: Live) -> None:
    """Nothing is allowed that should not be, nothing dies, and when the crowd is gone all is well."""
    sidecar, john = start_sidecar(prepare=allowed(256, 256)), live.user("john")
    [told] = sidecar.readyz()["degraded"]
    assert "256 file descriptors are allowed" in told
    assert "4200" in told
    before, pids = len(sidecar.echo.seen), [process.pid for process in sidecar.tree()]
    kept = sidecar.connection(sidecar.tls())
    with crowd(sidecar, 2.0) as made:
        assert made < _MANY
        assert ask_again(kept, john)[0] in {200, 503}
        kept.request("GET", "/forbidden", headers={"authorization": f"Bearer {john}"})
        assert kept.getresponse().status in {403, 503}
    kept.close()
    until(lambda: sidecar.call("GET", "/orders/1", token=john).status == 200)
    assert {seen.target for seen in sidecar.echo.seen[before:]} == {"/orders/1"}
    assert [process.pid for process in sidecar.tree()] == pids
