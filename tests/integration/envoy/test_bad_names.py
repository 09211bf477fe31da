"""A name that DNS does not answer: everything else is served, and the alarm ends with the trouble (SECURITY T34)."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from tests.support.envoy_pair import BLOCK
from tests.support.name_server import Mood, NameServer
from tests.support.neighbours import Address, Neighbour, Reply, ask
from tests.support.patience import PATIENCE, until
from tests.support.real_envoy import RealEnvoy

from authz_service.config.model import Config
from authz_service.control_plane.data_plane.admin import EnvoyAdmin

INGRESS: Address = (f"{BLOCK}.7.1", 21443)
EGRESS: Address = (f"{BLOCK}.7.1", 21080)
APP: Address = (f"{BLOCK}.7.1", 21900)
TARGET: Address = (f"{BLOCK}.7.2", 21901)
CONFIG = Config.model_validate(
    {
        "http": {"addr": f"{INGRESS[0]}:{INGRESS[1]}", "tls": {"enabled": False}},
        "proxy": {"upstream": f"http://{APP[0]}:{APP[1]}", "auth": {"enabled": False}, "authz": {"enabled": False}},
        "egress": {
            "addr": f"{EGRESS[0]}:{EGRESS[1]}",
            "targets": {"a": {"url": f"http://data.example.test:{TARGET[1]}"}},
            "routes": [{"path_prefix": "/a", "target": "a"}],
        },
    }
)


@pytest.fixture
def envoy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealEnvoy]:
    """Not started yet."""
    envoy = RealEnvoy(CONFIG, tmp_path_factory.mktemp("n"), {})
    with ExitStack() as stack:
        for index in range(2):
            stack.enter_context(Neighbour(envoy.paths.worker_socket(index)))
        for place in (APP, TARGET):
            stack.enter_context(Neighbour(place)).answer = lambda _: Reply(200)
        yield envoy


def is_open(place: Address) -> bool:
    try:
        socket.create_connection(place, timeout=PATIENCE).close()
    except ConnectionRefusedError:
        return False
    return True


@pytest.mark.parametrize("mood", ["silent", "failing", "unknown"])
def test_the_doors_open_although_a_name_is_not_resolved(envoy: RealEnvoy, mood: Mood) -> None:
    """The ingress serves; the target, and nobody else, gets 503."""
    with NameServer(INGRESS[0], TARGET[0], mood) as names:
        names.is_asked_by(envoy.paths.clusters)
        with envoy:
            assert ask(INGRESS, "GET", "/").status == 200
            assert ask(EGRESS, "GET", "/a").status == 503
            until(lambda: names.asked > 0)


def test_a_cluster_that_waits_keeps_all_doors_closed(envoy: RealEnvoy) -> None:
    """The no beside it, and why the setting is there."""
    with NameServer(INGRESS[0], TARGET[0]) as names:
        names.is_asked_by(envoy.paths.clusters)
        clusters = json.loads(envoy.paths.clusters.read_text())
        for cluster in clusters["resources"]:
            cluster.pop("wait_for_warm_on_init", None)
        envoy.paths.clusters.write_text(json.dumps(clusters))
        envoy._wait_until_it_listens = lambda: None  # type: ignore[method-assign]
        with envoy:
            until(lambda: names.asked > 0)
            time.sleep(1)
            assert not is_open(INGRESS)
            assert not is_open(EGRESS)


def test_the_alarm_ends_with_the_trouble(envoy: RealEnvoy) -> None:
    """Envoy counts its failures for its whole life; what is told is whether it fails now. Then the target is there."""
    with NameServer(INGRESS[0], TARGET[0], "failing") as names:
        names.is_asked_by(envoy.paths.clusters)
        with envoy, asyncio.Runner() as runner:
            admin = EnvoyAdmin(envoy.paths.admin_socket)

            def failing() -> dict[str, int]:
                return runner.run(admin.state()).failing

            for _ in range(2):
                until(lambda: failing().get("cluster.target_a", 0) > 0)
                assert set(failing()) == {"cluster.target_a"}
                names.mood = "good"
                until(lambda: failing() == {})
                until(lambda: ask(EGRESS, "GET", "/a").status == 200)
                names.mood = "failing"
            runner.run(admin.close())
