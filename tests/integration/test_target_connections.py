"""What a target's keys say about its connections: which requests are repeated, and how long one may be idle."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.support.faulty_server import Answer, json_answer
from tests.support.lone_egress import Json, LoneEgress
from tests.support.lone_sidecar import until

CUT, GOOD = Answer(close=True), json_answer({})


class Egress(LoneEgress):
    """`/a` is as by default, `/b` repeats idempotent methods and closes what is idle; both are one server."""

    def config(self) -> Json:
        config = super().config()
        target = {**config["egress"]["targets"]["a"], "auth": {"type": "none"}, "connect_timeout": "2s"}
        kept = {**target, "retries": {"methods": "idempotent"}, "idle_timeout": "300ms"}
        config["egress"]["targets"] = {"a": target, "b": kept}
        config["egress"]["routes"] = [
            {"path_prefix": f"/{name}", "target": name, "strip_prefix": f"/{name}"} for name in "ab"
        ]
        return config


@pytest.fixture(scope="module")
def egress(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Egress]:
    with Egress(tmp_path_factory.mktemp("egress"), {}) as running:
        running.wait_ready()
        yield running


@pytest.mark.parametrize(
    ("target", "method", "repeated"),
    [
        ("a", "GET", True),
        ("a", "PUT", False),
        ("a", "DELETE", False),
        ("a", "POST", False),
        ("b", "GET", True),
        ("b", "PUT", True),
        ("b", "DELETE", True),
        ("b", "POST", False),
        ("b", "PATCH", False),
    ],
)
def test_what_is_cut_is_repeated_as_its_method_and_the_key_allow(
    egress: Egress, target: str, method: str, *, repeated: bool
) -> None:
    """RFC 9110 §9.2: what the target may have done already is done twice only where that is as good as once."""
    path = f"/{target}-{method}"
    egress.target.script(path, CUT, GOOD)

    status = egress.call(method, f"/{target}{path}").status

    assert (status, len(egress.target.seen(path))) == ((200, 2) if repeated else (503, 1))


def test_an_idle_connection_is_closed_when_the_key_says(egress: Egress) -> None:
    """And kept for the next request where it is not idle for as long."""
    egress.target.script("/x", GOOD)
    assert egress.call(target="/b/x").status == egress.call(target="/b/x").status == 200
    until(lambda: _idle_closed(egress, "b") > 0)
    assert _idle_closed(egress, "a") == 0


def _idle_closed(egress: Egress, target: str) -> float:
    name = f'envoy_cluster_upstream_cx_idle_timeout{{envoy_cluster_name="target_{target}"}}'
    return egress.metric(name)
