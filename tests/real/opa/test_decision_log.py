"""Our copies of decisions beside the decision logs of the real OPA: the same API, members and types."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from tests.support import opa
from tests.support.decisions import POLICY, gate, request, rules
from tests.support.faulty_server import Answer, FaultyServer, Seen
from tests.support.patience import PATIENCE

from authz_service.audit.chain import Chain
from authz_service.audit.sink import AuditSink
from authz_service.audit.writer import AuditWriter
from authz_service.clock import SystemClock
from authz_service.config.model import Config
from authz_service.control_plane.decision_log.delivery import DecisionLog
from authz_service.control_protocol import Copies, to_control_decoder
from authz_service.decision_worker.counters import WorkerCounters
from authz_service.decision_worker.decision_log_buffer import DecisionLogBuffer
from authz_service.decision_worker.in_flight import InFlight
from authz_service.decision_worker.ingress_decision import IngressDecisions

Event = dict[str, Any]
TOKEN = "t0ken"
# Of OPA's events (EventV1) what theirs has and ours cannot: the number of a request in OPA's own log.
ONLY_OPAS = {"req_id"}
# What ours has although a plain OPA does not: where OPA's format has a place for it, by its documentation.
ONLY_OURS = {"bundles", "custom"}
# And what the console's frame adds to an event.
FRAME = {"level", "msg", "time", "type"}


@pytest.fixture
def collector() -> Iterator[FaultyServer]:
    with FaultyServer() as server:
        server.script("/v1/logs", Answer())
        yield server


def opas_upload(collector: FaultyServer, folder: Path, document: Event) -> Seen:
    """One decision of a real OPA, as it uploads it, with the masks that ours amounts to."""
    before = len(collector.seen("/v1/logs"))
    mask = 'package system.log\n\nmask contains "/input/request/query"\n\nmask contains "/input/token/email"\n'
    (folder / "order.rego").write_text(POLICY)
    (folder / "mask.rego").write_text(mask)
    settings = [
        f"services.c.url={collector.url('/v1')}", f"services.c.credentials.bearer.token={TOKEN}",
        "decision_logs.service=c", "decision_logs.reporting.min_delay_seconds=1",
        "decision_logs.reporting.max_delay_seconds=1", "labels.service=order-service",
    ]  # fmt: skip
    more = [part for setting in settings for part in ("--set", setting)]
    load = [folder / "order.rego", folder / "mask.rego"]
    # It knows who asked only while it logs requests.
    with opa.OpaServer(load, tcp=True, more=more, output=folder / "log", log_level="info") as server:
        server.ask("data.order.allow", document)
        deadline = time.monotonic() + PATIENCE
        while len(collector.seen("/v1/logs")) == before:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    return collector.seen("/v1/logs")[before]


async def our_upload(collector: FaultyServer, folder: Path) -> Seen:
    """One decision of ours."""
    sent: list[Copies] = []

    def send(packed: bytes) -> None:
        message = to_control_decoder.decode(packed[4:])
        assert isinstance(message, Copies)
        sent.append(message)

    copies = DecisionLogBuffer(send, lambda: 0)
    audit = AuditWriter(Chain("", 0), AuditSink(str(folder / "audit.jsonl")))
    service = IngressDecisions(gate(rules()), audit, WorkerCounters(), {}, InFlight(1))
    service.copy_to(copies)
    assert service.answer(request(query="a=b")).startswith(b"HTTP/1.1 200")
    copies.flush()
    log = DecisionLog(SystemClock(), Counter(), {"id": "i"})
    wanted = {"audit": {"opa_decision_log": {"url": collector.url("/v1"), "token": TOKEN}}}
    await log.update(Config.model_validate(wanted))
    log.take(sent[0])
    await log.stop()
    return collector.seen("/v1/logs")[0]


def event_in(seen: Seen) -> Event:
    (event,) = json.loads(gzip.decompress(seen.body))
    found: Event = event
    return found


def console_event(folder: Path, document: Event) -> Event:
    """One decision of a real OPA, as it prints it."""
    (folder / "order.rego").write_text(POLICY)
    output = folder / "console"
    more = ["--set", "decision_logs.console=true"]
    with opa.OpaServer([folder / "order.rego"], more=more, output=output, log_level="info") as server:
        server.ask("data.order.allow", document)
        deadline = time.monotonic() + PATIENCE
        while not (found := [line for line in output.read_text().splitlines() if '"Decision Log"' in line]):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    event: Event = json.loads(found[0])
    return event


def test_ours_are_sent_and_made_as_opas_are(collector: FaultyServer, tmp_path: Path) -> None:
    """Method, path, headers, members, their types, and the same masked input."""
    ours = asyncio.run(our_upload(collector, tmp_path))
    our = event_in(ours)
    asked = our["input"]
    document = asked | {
        "request": asked["request"] | {"query": {"a": ["b"]}},
        "token": asked["token"] | {"email": "john@example.com"},
    }
    opas = opas_upload(collector, tmp_path, document)
    its = event_in(opas)

    for header in ("authorization", "content-encoding", "content-type"):
        assert ours.headers[header] == opas.headers[header]
    assert (ours.method, ours.path) == (opas.method, opas.path)
    assert set(its) - set(our) <= ONLY_OPAS
    assert set(our) - set(its) <= ONLY_OURS
    both = set(our) & set(its)
    assert both >= {
        "labels",
        "decision_id",
        "path",
        "input",
        "erased",
        "requested_by",
        "timestamp",
        "metrics",
        "result",
    }
    # The value of a rule may be anything; ours is the gate's answer, which is more than `true`.
    assert {name: type(our[name]) for name in both - {"result"}} == {
        name: type(its[name]) for name in both - {"result"}
    }
    assert its["result"] is our["result"]["allow"] is True
    assert (its["path"], its["input"]) == (our["path"], asked)
    assert {"/input/request/query", "/input/token/email"} == set(its["erased"]) <= set(our["erased"])
    assert "timer_server_handler_ns" in its["metrics"]
    assert all(type(value) is int for value in our["metrics"].values())
    assert {"id", "service"} <= set(its["labels"]) & set(our["labels"])
    for event in (our, its):
        assert datetime.fromisoformat(event["timestamp"]).utcoffset() is not None


def test_the_console_has_the_same_members_in_its_frame(collector: FaultyServer, tmp_path: Path) -> None:
    """`opa run --server --set decision_logs.console=true`: a line each."""
    our = event_in(asyncio.run(our_upload(collector, tmp_path)))
    its = console_event(tmp_path, our["input"])

    assert its["msg"] == "Decision Log"
    assert set(its) - set(our) <= ONLY_OPAS | FRAME
    assert set(our) - set(its) <= ONLY_OURS | {"erased"}  # there is no mask here
