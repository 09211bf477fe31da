"""How many inotify instances an Envoy takes: what preflight/file_watches.py looks for before it starts."""

import json
from pathlib import Path
from typing import Any

from tests.support.envoy_pair import BLOCK, EnvoyPair
from tests.support.real_envoy import RealEnvoy, write_atomically

from authz_service.config.model import Config
from authz_service.control_plane.preflight.file_watches import watches

PLAIN = {
    "http": {"addr": f"{BLOCK}.9.1:21443", "tls": {"enabled": False}},
    "proxy": {"upstream": f"http://{BLOCK}.9.1:21900", "auth": {"enabled": False}, "authz": {"enabled": False}},
}


def instances(envoy: RealEnvoy) -> int:
    assert envoy.process is not None
    found = Path(f"/proc/{envoy.process.pid}/fdinfo").iterdir()
    return sum("inotify wd:" in _text(one) for one in found)


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except FileNotFoundError:  # closed meanwhile
        return ""


def test_envoy_opens_as_many_as_we_count(pair: EnvoyPair) -> None:
    """One for each file that it follows."""
    for envoy in (pair.edge, pair.orders):
        assert instances(envoy) == watches(envoy.resources)


def test_a_directory_that_is_shared_saves_none(tmp_path: Path) -> None:
    """Why we do not use it (docs/decisions/envoy-rendering-choices.md)."""
    envoy = RealEnvoy(Config.model_validate(PLAIN), tmp_path, {})
    for file in (envoy.paths.bootstrap, *envoy.paths.xds.glob("*.json")):
        write_atomically(file, json.dumps(_with_directories(json.loads(file.read_text()))))

    with envoy:
        assert instances(envoy) == watches(envoy.resources) == 3


def _with_directories(node: Any) -> Any:
    if isinstance(node, list):
        return [_with_directories(each) for each in node]
    if not isinstance(node, dict):
        return node
    if "path_config_source" in node:
        path = node["path_config_source"]["path"]
        return {**node, "path_config_source": {"path": path, "watched_directory": {"path": str(Path(path).parent)}}}
    return {key: _with_directories(each) for key, each in node.items()}
