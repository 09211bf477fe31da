"""A target's sidecar is killed and comes back: who calls it through our egress does not notice, where that is safe."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from tests.support.echo_service import EchoService
from tests.support.fault_proxy import NO_FAULT, Fault, FaultProxy
from tests.support.live import Live
from tests.support.load import Load, get
from tests.support.lone_sidecar import LoneSidecar, until
from tests.support.neighbours import Answer
from tests.support.target_service import target_service

StartSidecar = Callable[..., LoneSidecar]
_AWAY = 0.2  # seconds; a killed Envoy is back after 0.15
_DEAD = Fault(down=True)  # as the kernel puts it when a process is killed: resets, then refusals


@pytest.fixture(scope="module")
def target(live: Live) -> Iterator[EchoService]:
    with target_service(live) as service:
        yield service


@pytest.fixture(scope="module")
def network(live: Live, target: EchoService) -> Iterator[FaultProxy]:
    with FaultProxy((live.free_address(), 9443), to=target.place) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def caller(live: Live, network: FaultProxy, module_stack: ExitStack) -> LoneSidecar:
    """Its ten waits, each of a random length, outlast the time that a busy machine makes of `_AWAY`. The default's six
    do on a quiet one (envoy/routes.py has the arithmetic).
    """
    patient = {"egress.targets.data-service.retries": {"attempts": 10}}
    return module_stack.enter_context(LoneSidecar(live, patient, target=network.place))


def asked(caller: LoneSidecar, method: str, target: str) -> tuple[threading.Thread, list[Answer]]:
    """In the background."""
    answers: list[Answer] = []
    thread = threading.Thread(target=lambda: answers.append(caller.call_egress(method, target)))
    thread.start()
    return thread, answers


def test_safe_requests_survive_the_death_of_the_targets_sidecar(caller: LoneSidecar, network: FaultProxy) -> None:
    """Those in flight are sent again, those that find nobody wait; three times under load."""
    with Load((caller.address, 8080), get("/data/x?delay=0.05", "localhost"), None, clients=4) as load:
        for _ in range(3):
            answered = load.answered
            until(lambda answered=answered: load.answered > answered + 5)  # type: ignore[misc]
            network.switch(_DEAD)
            time.sleep(_AWAY)
            network.switch(NO_FAULT)
    assert load.failures == []


def test_what_may_have_acted_is_not_sent_again(caller: LoneSidecar, network: FaultProxy, target: EchoService) -> None:
    """A POST in flight: 503, and the target has seen it once. One that found nobody was never sent: it waits."""
    thread, answers = asked(caller, "POST", "/data/in-flight?delay=0.5")
    until(lambda: "/in-flight?delay=0.5" in target.paths())
    network.switch(_DEAD)
    thread.join()
    assert answers[0].status == 503
    assert answers[0].values("retry-after")

    thread, answers = asked(caller, "POST", "/data/not-sent")
    time.sleep(_AWAY)
    network.switch(NO_FAULT)
    thread.join()
    assert answers[0].status == 200
    assert [target.paths().count(path) for path in ("/in-flight?delay=0.5", "/not-sent")] == [1, 1]


def test_patience_has_an_end(caller: LoneSidecar, network: FaultProxy) -> None:
    """A target that does not come back is 503, not silence."""
    network.switch(_DEAD)
    try:
        assert caller.call_egress("GET", "/data/x").status == 503
    finally:
        network.switch(NO_FAULT)
    assert caller.call_egress("GET", "/data/x").status == 200
