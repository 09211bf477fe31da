"""A real sidecar that asks a real OPA about each request, in place of the embedded engine."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.support import opa
from tests.support.lone_config import POLICY, REMOVED
from tests.support.lone_sidecar import LoneSidecar, until
from tests.support.neighbours import Answer
from tests.support.patience import PATIENCE
from tests.support.policy_answers import ANSWERS, HEADERS

from authz_service.domain.decision import Verdict
from authz_service.domain.refusals import Reason
from authz_service.domain.rules import PolicyServer
from authz_service.policy.decide.opa_server import OpaServer

if TYPE_CHECKING:
    from tests.support.live import Live

MORE = """
undefined if false

allow if input.request.segments[0] == "conflict"

result := "another" if input.request.segments[0] == "conflict"
"""


@pytest.fixture(params=["a Unix socket", "loopback"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[opa.OpaServer]:
    (tmp_path / "lone.rego").write_text(POLICY + MORE)
    with opa.OpaServer([tmp_path / "lone.rego"], tcp=request.param == "loopback") as started:
        yield started


def asking(server: opa.OpaServer, **more: object) -> dict[str, object]:
    return {"policy": {"engine": "opa_server", "server": {"url": server.url, "timeout": "300ms"}}, **more}


def ask(sidecar: LoneSidecar, path: str, token: str) -> Answer:
    """Once more while OPA is late: what it may take is less than a busy machine does."""
    found = sidecar.call("GET", path, token=token)
    end = time.monotonic() + PATIENCE
    while reason(found) == Reason.POLICY_UNAVAILABLE and time.monotonic() < end:
        found = sidecar.call("GET", path, token=token)
    return found


def reason(answer: object) -> str:
    body = getattr(answer, "body", b"")
    return str(json.loads(body).get("reason", "")) if body else ""


def test_opa_decides(start_sidecar: Callable[..., LoneSidecar], live: Live, server: opa.OpaServer) -> None:
    """Yes, no, and an evaluation that fails; OPA's audit is in the record, which is there before the answer."""
    sidecar = start_sidecar(asking(server))
    token = live.user("john")

    assert ask(sidecar, "/orders/1", token).status == 200
    assert sidecar.audit[-1]["policy_audit"]["segments"] == ["orders", "1"]
    refused = ask(sidecar, "/forbidden", token)
    assert (refused.status, reason(refused)) == (403, Reason.POLICY_DENIED)
    failed = ask(sidecar, "/conflict", token)
    assert (failed.status, reason(failed)) == (403, Reason.POLICY_ERROR)
    assert sidecar.call("GET", "/orders/1", token="x").status == 401


def test_a_rule_without_a_value_is_undefined(
    start_sidecar: Callable[..., LoneSidecar], live: Live, server: opa.OpaServer
) -> None:
    """As with the embedded engine, and so is one that OPA does not have."""
    for query in ("data.lone.undefined", "data.nowhere.allow"):
        sidecar = start_sidecar(asking(server, **{"proxy.authz.policy_query": query}))
        refused = ask(sidecar, "/orders/1", live.user("john"))

        assert (refused.status, reason(refused)) == (403, Reason.POLICY_UNDEFINED)


def test_without_opa_nothing_passes_and_it_heals(
    start_sidecar: Callable[..., LoneSidecar], live: Live, server: opa.OpaServer
) -> None:
    """Stopped, then killed: 503, and degraded; continued, then started anew: requests pass."""
    sidecar = start_sidecar(asking(server))
    token = live.user("john")
    process = server.process
    assert process is not None
    stopped = partial(process.send_signal, signal.SIGSTOP), partial(process.send_signal, signal.SIGCONT)

    for interrupt, heal in (stopped, (server.stop, server.start)):
        assert ask(sidecar, "/orders/1", token).status == 200
        interrupt()
        broken = sidecar.call("GET", "/orders/1", token=token)
        assert (broken.status, reason(broken)) == (503, Reason.POLICY_UNAVAILABLE)
        assert "retry-after" in dict(broken.headers)
        until(lambda: "policy server" in str(sidecar.readyz()["degraded"]))
        assert sidecar.readyz()["ready"]
        heal()
        until(lambda: sidecar.call("GET", "/orders/1", token=token).status == 200)
        until(lambda: sidecar.readyz()["degraded"] == [])


def test_it_is_not_ready_before_opa(live: Live, server: opa.OpaServer) -> None:
    """Started first, it waits; with OPA there, it serves."""
    server.stop()
    sidecar = LoneSidecar(live, asking(server))
    sidecar.echo.__enter__()
    try:
        sidecar.start()
        until(lambda: sidecar.readyz()["missing"] and all("policy server" in m for m in sidecar.readyz()["missing"]))
        server.start()
        sidecar.wait_ready()
        assert ask(sidecar, "/orders/1", live.user("john")).status == 200
    finally:
        sidecar.__exit__(None, None, None)


def test_the_engine_changes_while_requests_go_on(
    start_sidecar: Callable[..., LoneSidecar], live: Live, server: opa.OpaServer
) -> None:
    """From the embedded engine to OPA and back: one says yes where the other says no."""
    sidecar = start_sidecar()
    token = live.user("john")
    embedded = sidecar.config["policy"]

    assert sidecar.call("GET", "/conflict", token=token).status == 200
    sidecar.write_config(asking(server))
    until(lambda: sidecar.call("GET", "/conflict", token=token).status == 403)
    sidecar.write_config({"policy": embedded, "policy.server": REMOVED})
    until(lambda: sidecar.call("GET", "/conflict", token=token).status == 200)


@pytest.mark.parametrize(("text", "meaning"), ANSWERS)
def test_every_form_of_answer_means_the_same(text: str, meaning: Reason, tmp_path: Path) -> None:
    """The table of the embedded engine's own test."""
    (tmp_path / "p.rego").write_text(f"package p\n\n{text}\n")

    async def ask(server: opa.OpaServer) -> Verdict:
        asked = OpaServer(PolicyServer("data.p.allow", PATIENCE, socket=str(server.socket), headers=HEADERS))
        await asked.fetch("{}")
        asked.close()
        return asked.evaluate({})

    with opa.OpaServer([tmp_path / "p.rego"]) as server:
        assert asyncio.run(ask(server)).reason is meaning
