"""Copies in OPA's format, from the worker to a file or a service: complete while all goes well, bounded when not."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import os
import resource
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.support.decisions import gate, request, rules
from tests.support.faulty_server import Answer, FaultyServer, Seen
from tests.support.patience import PATIENCE

from authz_service.audit.chain import Chain
from authz_service.audit.sink import AuditSink
from authz_service.audit.writer import AuditWriter
from authz_service.clock import SystemClock
from authz_service.config.model import Config
from authz_service.control_plane.decision_log import delivery as decision_log
from authz_service.control_plane.decision_log import destinations as decision_log_destinations
from authz_service.control_plane.decision_log.delivery import DecisionLog
from authz_service.control_protocol import Copies, Copy, to_control_decoder
from authz_service.decision_worker.counters import WorkerCounters
from authz_service.decision_worker.decision_log_buffer import DecisionLogBuffer
from authz_service.decision_worker.in_flight import InFlight
from authz_service.decision_worker.ingress_decision import IngressDecisions

GONE = Copy("", msgspec.Raw(b"{}"), msgspec.Raw(b"null"))  # no record


class Asked:
    """A decision service whose copies are kept here, as the control plane would get them."""

    def __init__(self, folder: Path) -> None:
        self.backlog = 0
        self.sent: list[Copies] = []
        self.copies = DecisionLogBuffer(self._sent, lambda: self.backlog)
        self.audit = folder / "audit.jsonl"
        self.sink = AuditSink(str(self.audit))
        writer = AuditWriter(Chain("", 0), self.sink)
        self.service = IngressDecisions(gate(rules()), writer, WorkerCounters(), {}, InFlight(1))
        self.service.copy_to(self.copies)

    def _sent(self, packed: bytes) -> None:
        message = to_control_decoder.decode(packed[4:])
        assert isinstance(message, Copies)
        self.sent.append(message)

    def decide(self, count: int = 1, **changes: object) -> list[bytes]:
        return [self.service.answer(request(**changes)) for _ in range(count)]

    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.audit.read_text().splitlines()]


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    return Asked(tmp_path)


@pytest.fixture(autouse=True)
def time_for_the_last_try(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most logs here deliver in it; on a busy machine two seconds are not enough for three hundred events."""
    monkeypatch.setattr(decision_log, "_LAST_TRY", PATIENCE)


def test_a_question_of_authzens_is_copied_without_its_input(asked: Asked) -> None:
    """What it is about is the asker's own: nothing here could mask it. A request's input is there."""
    asked.decide(evaluation='{"subject": {"type": "user", "id": "1", "properties": {"email": "a@b.example"}}}')
    asked.decide()
    asked.copies.flush()

    evaluation, access = asked.sent[-1].copies
    assert bytes(evaluation.input) == b"null"
    assert b"segments" in bytes(access.input)


@pytest.fixture
def collector() -> Iterator[FaultyServer]:
    with FaultyServer() as server:
        server.script("/v1/logs", Answer(status=204))
        yield server


def config(**wanted: object) -> Config:
    return Config.model_validate({"audit": {"opa_decision_log": wanted}})


def events_of(seen: list[Seen]) -> list[dict[str, Any]]:
    return [event for each in seen for event in json.loads(gzip.decompress(each.body))]


def delivered(
    wanted: Config, work: Callable[[DecisionLog], Awaitable[None]] | None, *copies: Copies
) -> tuple[DecisionLog, Counter[str]]:
    """A decision log's life: what came, `work`, and its end."""
    counts: Counter[str] = Counter()

    async def live() -> DecisionLog:
        made = DecisionLog(SystemClock(), counts, {"id": "i"})
        await made.update(wanted)
        for each in copies:
            made.take(each)
        if work is not None:
            await work(made)
        await made.stop()
        return made

    return asyncio.run(live()), counts


def test_every_recorded_decision_is_copied_with_the_same_id(asked: Asked, tmp_path: Path) -> None:
    """Allowed and refused ones, at each step of the gate; no token is in it."""
    asked.decide()
    asked.decide(path="/admin")
    asked.decide(authorization=None)
    asked.decide(path="/orders/%2e%2e/x", query="access_token=abc")
    asked.copies.flush()

    log = tmp_path / "opa.jsonl"
    _, counts = delivered(config(path=str(log)), None, *asked.sent)
    events = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(event["decision_id"], event["result"]["reason"]) for event in events] == [
        (record["decision_id"], record["reason"]) for record in asked.records()
    ]
    assert [event["result"]["allow"] for event in events] == [True, False, False, False]
    assert events[0]["input"]["token"]["realm_access"]["roles"]
    assert "/input/token/email" in events[0]["erased"]
    assert events[0]["path"] == "order/allow"
    token = (request().authorization or "").removeprefix("Bearer ")
    for secret in (token, token.rpartition(".")[2], "access_token", "john@"):
        assert secret not in log.read_text()
    assert counts == {"delivered": 4}
    assert log.stat().st_mode & 0o777 == 0o640


def test_what_is_not_recorded_is_not_copied(asked: Asked) -> None:
    """The copy never says more than the record; the same with its disk back is copied."""
    asked.sink.close()
    asked.audit.unlink()
    asked.audit.symlink_to("/dev/full")
    assert b"audit_unavailable" in asked.decide()[0]
    asked.copies.flush()
    assert asked.sent == []

    asked.sink.close()
    asked.audit.unlink()
    assert asked.decide()[0].startswith(b"HTTP/1.1 200")
    asked.copies.flush()
    assert len(asked.sent[0].copies) == 1


def test_copies_are_handed_over_in_batches_and_dropped_while_nobody_reads(asked: Asked) -> None:
    """A worker's memory is bounded, every decision is made all the same, and the next message says what is missing."""
    asked.decide(130)
    assert [len(each.copies) for each in asked.sent] == [64, 64]

    asked.backlog = 1 << 20
    assert all(answer.startswith(b"HTTP/1.1 200") for answer in asked.decide(200))
    asked.backlog = 0
    asked.decide()
    asked.copies.flush()
    last = asked.sent[-1]
    assert sum(len(each.copies) + each.lost for each in asked.sent) == 331
    assert last.lost >= 192


def test_a_decision_that_cannot_be_copied_is_made(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is wrong with the copy: it is counted, the answer stands."""
    monkeypatch.delattr("authz_service.ingress.gate.Gate.policy_input")
    (answer,) = asked.decide()
    asked.copies.flush()

    assert answer.startswith(b"HTTP/1.1 200")
    assert (asked.sent[0].copies, asked.sent[0].lost) == ([], 1)


def test_a_service_gets_opas_own_requests(
    asked: Asked, collector: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """POST <url>/logs, a gzipped JSON array, none larger than it may be; with the bearer token."""
    monkeypatch.setattr(decision_log_destinations, "MAX_UPLOAD", 4000)  # as if there were more in them
    asked.decide(1000)
    asked.copies.flush()

    _, counts = delivered(config(url=collector.url("/v1/"), token="t0ken"), None, *asked.sent)
    seen = collector.seen()
    assert {(each.method, each.path) for each in seen} == {("POST", "/v1/logs")}
    assert {each.headers["authorization"] for each in seen} == {"Bearer t0ken"}
    assert {(each.headers["content-encoding"], each.headers["content-type"]) for each in seen} == {
        ("gzip", "application/json")
    }
    assert max(len(each.body) for each in seen) <= 4000
    assert [event["decision_id"] for event in events_of(seen)] == [each["decision_id"] for each in asked.records()]
    assert counts == {"delivered": 1000}


def test_a_failing_service_is_asked_again_and_nothing_is_lost(asked: Asked, collector: FaultyServer) -> None:
    """The reason is told meanwhile, and taken back."""
    collector.script("/v1/logs", Answer(status=503), Answer())
    asked.decide()
    asked.copies.flush()

    async def wait(made: DecisionLog) -> None:
        while len(collector.seen()) < 2 or made.problem:
            assert made.problem in {"", f"{collector.url('/v1/logs')}: answers HTTP 503"}
            await asyncio.sleep(0.02)

    _, counts = delivered(config(url=collector.url("/v1")), wait, *asked.sent)
    assert counts == {"delivered": 1}
    first, second = collector.seen()
    assert first.body == second.body


def test_events_that_are_refused_for_good_do_not_keep_the_others_back(asked: Asked, collector: FaultyServer) -> None:
    """400 would be 400 the next time, too."""
    collector.script("/v1/logs", Answer(status=400), Answer())
    asked.decide(300)  # more than one batch
    asked.copies.flush()

    _, counts = delivered(config(url=collector.url("/v1")), None, *asked.sent)
    assert counts["lost"] > 0
    assert counts["delivered"] > 0
    assert counts.total() == 300


def test_memory_is_bounded_the_oldest_go_and_it_is_logged_once(
    asked: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """While nothing can be delivered; what is left at the end is counted too."""
    monkeypatch.setattr(decision_log, "MAX_BYTES", 20_000)
    asked.decide(100)
    asked.copies.flush()

    async def look(made: DecisionLog) -> None:
        held = sum(len(bytes(copy.record)) + len(bytes(copy.input)) for copy in made._waiting)
        assert 10_000 < held == made._bytes <= 20_000

    with caplog.at_level(logging.WARNING):
        absent = config(path=str(tmp_path / "absent" / "opa.jsonl"))
        _, counts = delivered(absent, look, *asked.sent, *asked.sent)
    assert counts == {"lost": 200}
    assert [each.message for each in caplog.records].count("opa_decision_log_lost") == 1


def test_what_is_no_record_is_counted_and_the_others_are_delivered(asked: Asked, tmp_path: Path) -> None:
    asked.decide()
    asked.copies.flush()
    log = tmp_path / "opa.jsonl"

    _, counts = delivered(config(path=str(log)), None, Copies([GONE], 3), *asked.sent)
    assert counts == {"lost": 4, "delivered": 1}
    assert len(log.read_text().splitlines()) == 1


def test_what_is_no_file_gets_nothing(asked: Asked, tmp_path: Path) -> None:
    """A pipe could take half an event, and hold up who opens it."""
    asked.decide()
    asked.copies.flush()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        _, counts = delivered(config(path=str(pipe)), None, *asked.sent)
        assert os.read(reader, 1) == b""
    finally:
        os.close(reader)
    assert counts == {"lost": 1}


def test_a_file_without_room_keeps_whole_lines(asked: Asked, tmp_path: Path) -> None:
    """What fitted of a batch is taken back; with room it is all there."""
    asked.decide(2)
    asked.copies.flush()
    log = tmp_path / "opa.jsonl"
    log.write_text("{}\n")

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        _, counts = delivered(config(path=str(log)), None, *asked.sent)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (counts, log.read_text()) == ({"lost": 2}, "{}\n")

    delivered(config(path=str(log)), None, *asked.sent)
    assert len(log.read_text().splitlines()) == 3


def test_without_the_section_nothing_is_kept(asked: Asked) -> None:
    """Not even counted: nobody wants them."""
    asked.decide()
    asked.copies.flush()

    made, counts = delivered(Config(), None, *asked.sent)
    assert counts == {}
    assert not made._waiting


def test_another_destination_gets_what_waits_and_switching_off_drops_it(asked: Asked, tmp_path: Path) -> None:
    """What was made for a destination that is away is lost with it; all of it is counted."""
    asked.decide(10)
    asked.copies.flush()
    absent = config(path=str(tmp_path / "absent" / "opa.jsonl"))
    log = tmp_path / "opa.jsonl"

    async def turn_to_file(made: DecisionLog) -> None:
        await made.update(config(path=str(log)))

    async def switch_off(made: DecisionLog) -> None:
        await made.update(Config())
        assert (len(made._waiting), made._bytes) == (0, 0)

    assert delivered(absent, turn_to_file, *asked.sent)[1] == {"delivered": 10}
    assert len(log.read_text().splitlines()) == 10
    assert delivered(absent, switch_off, *asked.sent)[1] == {"lost": 10}
