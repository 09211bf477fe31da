"""Envoy shows what it runs, and it is what we rendered, word by word; with one thing changed it is not."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.support.envoy_pair import BLOCK
from tests.support.patience import PATIENCE
from tests.support.real_envoy import RealEnvoy, write_atomically
from tests.support.rendering import CASES, anything, case

from authz_service.envoy.messages import Message
from authz_service.envoy.paths import StatePaths
from authz_service.envoy.resources import render
from authz_service.envoy.running import difference

_KINDS = {
    "dynamic_listeners": "listener",
    "dynamic_active_clusters": "cluster",
    "dynamic_warming_clusters": "cluster",
    "dynamic_route_configs": "route_config",
}


class _Doorless(RealEnvoy):
    """Its doors are ports that nobody else has; without secrets they need not open."""

    def __init__(self, name: str, folder: Path) -> None:
        config = case(name)
        names = render(config, StatePaths(folder)).secrets
        super().__init__(config, folder, dict.fromkeys(names, '{"resources": []}'))
        for number, listener in enumerate(self.resources.listeners):
            for address in anything(listener["address"], "socket_address"):
                address.update(address=f"{BLOCK}.8.{number + 1}", port_value=21500)
        for file, text in self.resources.files().items():
            write_atomically(self.paths.root / file, text)

    def _wait_until_it_listens(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while len(self.shown("dynamic_listeners")) < len(self.resources.listeners):
            assert time.monotonic() < deadline, self.log
            time.sleep(0.05)

    def shown(self, what: str) -> dict[str, Any]:
        try:
            head, _, body = self.admin(f"/config_dump?resource={what}").partition("\r\n\r\n")
        except (FileNotFoundError, ConnectionError):
            return {}
        entries = json.loads(_whole(body) if "chunked" in head else body).get("configs", [])
        found = [entry.get("active_state") or entry.get("warming_state") or entry for entry in entries]
        resources = [entry[_KINDS[what]] for entry in found if _KINDS[what] in entry]
        return {resource["name"]: resource for resource in resources}


def _whole(chunks: str) -> bytes:
    rest, whole = chunks.encode(), b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        whole, rest = whole + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    return whole


@pytest.mark.parametrize("name", CASES)
def test_what_envoy_shows_is_what_we_rendered(name: str, tmp_path: Path) -> None:
    with _Doorless(name, tmp_path) as envoy:
        ours = envoy.resources
        clusters = envoy.shown("dynamic_active_clusters") | envoy.shown("dynamic_warming_clusters")

        assert _differences(ours.listeners, envoy.shown("dynamic_listeners")) == {}
        assert _differences(ours.clusters, clusters) == {}
        routes = envoy.shown("dynamic_route_configs")
        assert _differences([ours.routes[name] for name in routes], routes) == {}


def _differences(ours: Sequence[Message], shown: dict[str, Any]) -> dict[str, str]:
    assert {str(each["name"]) for each in ours} == {*shown}
    found = {str(each["name"]): difference(each, shown[str(each["name"])]) for each in ours}
    return {name: place for name, place in found.items() if place}
