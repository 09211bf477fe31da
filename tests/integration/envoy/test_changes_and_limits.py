"""Envoy in hard times: workers that are away, a changed configuration, a taken port, too many connections."""

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.envoy_pair import BLOCK
from tests.support.neighbours import Address, Neighbour, ask
from tests.support.patience import until
from tests.support.real_envoy import RealEnvoy, write_atomically

from authz_service.config.model import Config
from authz_service.domain.refusals import Reason
from authz_service.envoy.resources import render, steps

HOST = f"{BLOCK}.4.1"
INGRESS: Address = (HOST, 21000)
EGRESS: Address = (HOST, 21001)
SERVICE: Address = (HOST, 21900)
MAX_CONNECTIONS = 4


def _config(*, routes: list[dict[str, Any]], targets: dict[str, Any]) -> Config:
    return Config.model_validate(
        {
            "service": {"name": "limits"},
            "http": {
                "addr": f"{HOST}:{INGRESS[1]}",
                "tls": {"enabled": False},
                "max_connections": MAX_CONNECTIONS,
            },
            "proxy": {"upstream": f"http://{HOST}:{SERVICE[1]}", "authz": {"enabled": False}},
            "egress": {"addr": f"{HOST}:{EGRESS[1]}", "targets": targets, "routes": routes},
        }
    )


BEFORE = _config(
    targets={"old": {"url": f"http://{HOST}:{SERVICE[1]}"}}, routes=[{"path_prefix": "/old", "target": "old"}]
)
AFTER = _config(
    targets={"new": {"url": f"http://{HOST}:{SERVICE[1]}"}},
    routes=[{"path_prefix": "/new", "target": "new"}, {"path_prefix": "/old", "target": "new"}],
)


@pytest.fixture(scope="module")
def envoy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealEnvoy]:
    with RealEnvoy(BEFORE, tmp_path_factory.mktemp("l"), {}) as running:
        yield running


@pytest.fixture(autouse=True)
def service() -> Iterator[Neighbour]:
    with Neighbour(SERVICE) as running:
        yield running


@pytest.fixture
def workers(envoy: RealEnvoy) -> list[Path]:
    return [envoy.paths.worker_socket(index) for index in range(2)]


def test_without_a_worker_nothing_passes_and_with_one_everything(
    envoy: RealEnvoy, workers: list[Path], service: Neighbour
) -> None:
    """503, never an allow; and either of two is enough, without a single refusal, however they take turns."""
    for alive in (workers[1], workers[0], workers[1]):
        refused = ask(INGRESS, "GET", "/")
        assert refused.problem["reason"] == Reason.DECISION_UNAVAILABLE
        assert service.seen == []

        with Neighbour(alive):
            assert [ask(INGRESS, "GET", "/").status for _ in range(20)] == [200] * 20
        service.reset()

    assert ask(INGRESS, "GET", "/").status == 503


def test_a_second_sidecar_cannot_share_the_port(envoy: RealEnvoy, workers: list[Path], tmp_path: Path) -> None:
    """SECURITY T22: its listener is refused, and says so; nobody's requests are split between two."""
    with RealEnvoy(BEFORE, tmp_path, {}) as second:
        until(lambda: "Address already in use" in second.log, state=lambda: second.log)
        rejected = "/stats?filter=listener_manager.lds.update_rejected"
        until(lambda: "update_rejected: 1" in second.admin(rejected))


def test_connections_above_the_limit_are_closed_and_leave_the_egress_free(
    envoy: RealEnvoy, workers: list[Path]
) -> None:
    """http.max_connections, for each door its own."""
    with contextlib.ExitStack() as held:
        connections = [held.enter_context(socket.create_connection(INGRESS)) for _ in range(MAX_CONNECTIONS + 2)]
        until(lambda: sum(map(_is_closed, connections)) >= 2)
        assert ask(EGRESS, "GET", "/old").status == 200

    with Neighbour(workers[0]):
        until(lambda: _is_answered(INGRESS))  # Envoy must first notice that the others are gone


def _is_closed(connection: socket.socket) -> bool:
    connection.settimeout(0.05)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True


def _is_answered(place: Address) -> bool:
    with contextlib.suppress(ConnectionError):
        return ask(place, "GET", "/").status == 200
    return False


def test_a_changed_configuration_loses_no_request(envoy: RealEnvoy, service: Neighbour) -> None:
    """A target goes, another comes, its routes move: under requests all the while."""
    after = render(AFTER, envoy.paths)
    statuses: list[int] = []
    ended = threading.Event()

    def versions() -> str:
        return envoy.admin("/stats?type=TextReadouts")

    def caller() -> None:
        while not ended.is_set():
            statuses.append(ask(EGRESS, "GET", "/old").status)

    threads = [threading.Thread(target=caller) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for path, text in steps(envoy.resources, after):
            before = len(statuses)
            write_atomically(envoy.paths.root / path, text)
            until(lambda text=text: f'version_text: "{json.loads(text)["version_info"]}"' in versions())  # type: ignore[misc]
            until(lambda before=before: len(statuses) > before + 8)  # type: ignore[misc]
    finally:
        ended.set()
        for thread in threads:
            thread.join()

    assert set(statuses) == {200}
    assert len(statuses) > 20
    assert ask(EGRESS, "GET", "/new").status == 200
    clusters = envoy.admin("/clusters")
    assert "target_new" in clusters
    assert "target_old" not in clusters
    for path, version in after.versions().items():
        assert f'version_text: "{version}"' in versions(), path
