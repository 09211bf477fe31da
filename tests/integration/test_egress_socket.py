"""The egress as a Unix socket, on a real sidecar: private, for programs only, there again after Envoy's death."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.support.echo_service import EchoService, nothing_arrives
from tests.support.live import Live
from tests.support.lone_sidecar import LoneSidecar, until
from tests.support.patience import PATIENCE
from tests.support.target_service import target_service

from authz_service.domain.refusals import Reason

StartSidecar = Callable[..., LoneSidecar]


@pytest.fixture(scope="module")
def target(live: Live) -> Iterator[EchoService]:
    with target_service(live) as service:
        yield service


def on_a_socket(sidecar: LoneSidecar) -> None:
    sidecar.write_config({"egress.addr": f"unix://{sidecar.folder}/egress.sock"})


@pytest.fixture(scope="module")
def egress(live: Live, target: EchoService, module_stack: ExitStack) -> LoneSidecar:
    place = (target.host, target.port)
    return module_stack.enter_context(LoneSidecar(live, target=place, prepare=on_a_socket))


def facts(sidecar: LoneSidecar) -> tuple[int, int, int]:
    """Mode, owner and group of the socket."""
    assert isinstance(sidecar.egress_place, Path)
    found = sidecar.egress_place.stat()
    assert stat.S_ISSOCK(found.st_mode)
    return stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid


def test_it_serves_and_is_private(egress: LoneSidecar, target: EchoService) -> None:
    """Only the sidecar's own user may connect, unless the configuration says otherwise; no port is open."""
    assert egress.call_egress("GET", "/data/x").status == 200
    assert target.paths()[-1] == "/x"
    assert facts(egress) == (0o600, os.geteuid(), os.getegid())
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((egress.address, 8080), timeout=PATIENCE)


@pytest.mark.parametrize(
    "sent",
    [[("origin", "https://shop.example")], [("sec-fetch-site", "cross-site")], [("host", "localhost:8080")]],
)
def test_a_gateway_may_hand_on_what_its_caller_sent(
    egress: LoneSidecar, target: EchoService, sent: list[tuple[str, str]]
) -> None:
    """No browser opens a socket. On a port each is refused (test_a_browser_is_refused), and a wrong path is here."""
    assert egress.call_egress("GET", "/data/x", headers=sent).status == 200

    with nothing_arrives(target):
        assert egress.call_egress("GET", "/data/%2f", headers=sent).problem["reason"] == Reason.PATH_REFUSED


def test_it_is_there_again_after_envoys_death(start_sidecar: StartSidecar, target: EchoService) -> None:
    """With its mode and its group: whoever may connect before may connect again."""
    group = os.getegid()

    def shared(sidecar: LoneSidecar) -> None:
        on_a_socket(sidecar)
        sidecar.write_config({"egress.socket": {"mode": "0660", "group": str(group)}})

    sidecar = start_sidecar(target=(target.host, target.port), prepare=shared)
    assert facts(sidecar) == (0o660, os.geteuid(), group)

    sidecar.envoy().kill()
    until(lambda: sidecar.metric("authz_envoy_restarts_total") == 1)
    sidecar.wait_ready()
    assert sidecar.call_egress("GET", "/data/x").status == 200
    assert facts(sidecar) == (0o660, os.geteuid(), group)


def test_it_moves_from_a_port_to_a_socket_while_it_runs(start_sidecar: StartSidecar, target: EchoService) -> None:
    """And refuses to take the place of a file."""
    sidecar = start_sidecar(target=(target.host, target.port))
    assert sidecar.call_egress("GET", "/data/x").status == 200
    precious = sidecar.folder / "precious"
    precious.write_text("data")

    sidecar.write_config({"egress.addr": f"unix://{precious}"})
    until(lambda: "something else" in json.dumps(sidecar.readyz()["degraded"]))
    assert precious.read_text() == "data"

    on_a_socket(sidecar)
    until(lambda: not sidecar.readyz()["degraded"])
    until(lambda: isinstance(sidecar.egress_place, Path) and sidecar.egress_place.exists())
    assert sidecar.call_egress("GET", "/data/x").status == 200


def test_it_does_not_start_where_a_file_lies(live: Live, target: EchoService) -> None:
    """It says so, and the file is as it was."""
    sidecar = LoneSidecar(live, target=(target.host, target.port), prepare=on_a_socket)
    assert isinstance(sidecar.egress_place, Path)
    sidecar.egress_place.write_text("data")

    with sidecar.echo:
        ended = subprocess.run(sidecar.command, capture_output=True, text=True, timeout=PATIENCE, check=False)

    assert ended.returncode == 1
    assert "egress.addr" in ended.stderr
    assert sidecar.egress_place.read_text() == "data"
