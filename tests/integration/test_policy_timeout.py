"""A policy that loops for some requests, on a real sidecar under load: those are told so, and nobody else notices."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.support.live import Json, Live
from tests.support.load import Load, get
from tests.support.lone_sidecar import HOST, LoneSidecar, until

StartSidecar = Callable[..., LoneSidecar]
# The vetting tries the paths that it finds in the text; this one is not there.
POLICY = """package lone

default result := false

result if input.request.segments[0] == "orders"

result if {
	input.request.segments[0] == concat("-", ["loop", "for", "ever"])
	some i in numbers.range(1, 100000)
	some j in numbers.range(1, 100000)
	i * j == -1
}
"""
LOOP = "/loop-for-ever"


@pytest.fixture(params=[1, 2])
def sidecar(request: pytest.FixtureRequest, start_sidecar: StartSidecar) -> LoneSidecar:
    """The budget is a small part of an attempt of Envoy's, so that it is used up in time on a busy machine too."""
    changes = {"runtime.decision_workers": request.param, "policy.evaluation_budget": "50ms"}
    return start_sidecar(changes, policy=POLICY)


@pytest.fixture
def john(live: Live) -> str:
    return live.user("john")


def good_load(sidecar: LoneSidecar, token: str) -> Load:
    return Load(
        sidecar.place,
        get("/orders/1", HOST, authorization=f"Bearer {token}"),
        sidecar.tls(),
        server_name=HOST,
        clients=4,
    )


def loop(sidecar: LoneSidecar, token: str, path: str, correlation_id: str) -> tuple[int, str]:
    answer = sidecar.call("GET", path, token=token, headers=[("x-correlation-id", correlation_id)])
    return answer.status, json.loads(answer.body)["reason"]


def require_none_lost(sidecar: LoneSidecar, load: Load) -> None:
    """A single worker is missed until it is replaced: Envoy has given up where that takes longer than its attempts."""
    given_up = {"status 503 decision_unavailable"} if sidecar.config["runtime"]["decision_workers"] == 1 else set()
    assert set(load.failures) <= given_up


def records(sidecar: LoneSidecar, prefix: str) -> list[Json]:
    return [record for record in sidecar.audit if record["correlation_id"].startswith(prefix)]


def test_a_looping_request_is_refused_and_recorded_and_costs_nobody_else(sidecar: LoneSidecar, john: str) -> None:
    """Five of them, each another question for the policy: five workers. Asked again, they cost none."""
    with good_load(sidecar, john) as load:
        for number in range(5):
            until(lambda: load.answered > 5)
            assert loop(sidecar, john, f"{LOOP}/{number}", f"loop-{number}") == (503, "policy_timeout")
        until(lambda: sidecar.metric("authz_worker_restarts_total") == 5)
        for number in range(5):
            assert loop(sidecar, john, f"{LOOP}/{number}", f"again-{number}") == (503, "policy_timeout")
        until(lambda: len(records(sidecar, "again")) == 5)
    require_none_lost(sidecar, load)
    assert sidecar.metric("authz_worker_restarts_total") == 5
    until(lambda: sidecar.metric('authz_decisions_total{decision="deny",reason="policy_timeout"}') >= 5)
    for record in records(sidecar, "loop"):
        assert (record["reason"], record["decision"], record["user_name"]) == ("policy_timeout", "deny", "john")
    assert sorted(record["correlation_id"] for record in records(sidecar, "loop")) == [f"loop-{n}" for n in range(5)]
    assert not any(seen.target.startswith(LOOP) for seen in sidecar.echo.seen)


def test_many_at_once_are_no_worse(sidecar: LoneSidecar, john: str) -> None:
    """The same question twelve times in one moment."""
    with good_load(sidecar, john) as load, ThreadPoolExecutor(12) as pool:
        until(lambda: load.answered > 5)
        answers = list(pool.map(lambda number: loop(sidecar, john, LOOP, f"loop-{number}"), range(12)))
        until(lambda: len(records(sidecar, "loop")) >= 12)
    require_none_lost(sidecar, load)
    assert {status for status, _ in answers} == {503}
    assert len({record["correlation_id"] for record in records(sidecar, "loop")}) == 12
    assert {record["reason"] for record in records(sidecar, "loop")} == {"policy_timeout"}
    assert sidecar.metric("authz_worker_restarts_total") <= 2


def test_a_stopped_worker_is_replaced_and_costs_no_request(sidecar: LoneSidecar, john: str) -> None:
    """SIGSTOP, at the one that decides."""
    with good_load(sidecar, john) as load:
        until(lambda: load.answered > 5)
        victim = min(sidecar.workers(), key=lambda worker: worker.create_time())
        os.kill(victim.pid, signal.SIGSTOP)
        until(lambda: sidecar.metric("authz_worker_restarts_total") == 1)
        until(lambda: not victim.is_running())
        before = load.answered
        until(lambda: load.answered > before + 20)
    require_none_lost(sidecar, load)
    assert "worker_hung" in sidecar.log
