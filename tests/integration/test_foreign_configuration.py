"""Somebody with the sidecar's uid rewrites what Envoy reads: it is seen, told, and put right."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.certificates import Authority
from tests.support.live import Live
from tests.support.lone_sidecar import LoneSidecar, replace, until
from tests.support.patience import PATIENCE
from tests.support.rendering import anything

COUNTER = "authz_envoy_foreign_configuration_total"


@pytest.fixture(scope="module")
def sidecar(live: Live) -> Iterator[LoneSidecar]:
    with LoneSidecar(live) as found:
        found.is_tampered_with = True
        yield found


def no_gate(listeners: Any) -> None:
    """The listener as it was, but that nobody is asked."""
    for manager in anything(listeners, "typed_config"):
        if "http_filters" in manager:
            manager["http_filters"] = [
                each for each in manager["http_filters"] if each["name"] != "envoy.filters.http.ext_authz"
            ]


def another_gate(clusters: Any) -> None:
    """Whoever listens at that socket says yes to everything."""
    for pipe in anything(clusters, "pipe"):
        if "worker-" in pipe["path"]:
            pipe["path"] += ".mine"


def another_authority(secrets: Any) -> None:
    for ca in anything(secrets, "trusted_ca"):
        ca["inline_string"] = Authority.living("zone-ca", time.time()).pem.decode()


def another_path(routes: Any) -> None:
    for action in anything(routes, "route"):
        action["timeout"] = "3600s"


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        ("xds/lds.json", no_gate, "listener ingress, at "),
        ("xds/cds.json", another_gate, "cluster "),
        ("xds/rds_ingress.json", another_path, "route configuration ingress, at "),
        ("sds/client_ca.json", another_authority, "secret client_ca, at "),
    ],
)
def test_a_listener_that_is_not_ours_is_seen_and_put_right(
    sidecar: LoneSidecar, file: str, change: Callable[[Any], None], said: str
) -> None:
    """Its version is the one that we wrote: only the content tells. The same content again is nobody's business."""
    path = sidecar.folder / "state" / file
    ours = path.read_text()
    before, envoy = sidecar.metric(COUNTER), _envoy(sidecar)
    replace(path, ours)
    looks = sidecar.log.count("\n")
    assert sidecar.call("GET", "/orders/1").status == 401

    content = json.loads(ours)
    change(content["resources"])
    assert content != json.loads(ours)
    replace(path, json.dumps(content))
    until(lambda: sidecar.metric(COUNTER) > before, PATIENCE, lambda: sidecar.log[-3000:])
    sidecar.wait_ready()

    assert sidecar.metric(COUNTER) == before + 1
    assert json.loads(path.read_text())["resources"] == json.loads(ours)["resources"]
    assert _envoy(sidecar) != envoy
    events = [json.loads(line) for line in sidecar.log.splitlines()[looks:] if "foreign_configuration" in line]
    assert [event["what"][0].startswith(said) for event in events] == [True], events
    assert sidecar.call("GET", "/orders/1").status == 401


def _envoy(sidecar: LoneSidecar) -> int:
    return next(each.pid for each in sidecar.tree() if Path(each.exe()).name.startswith("envoy"))
