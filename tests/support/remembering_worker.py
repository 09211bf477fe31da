"""A worker's own parts in this process: revisions of rules, and what answers by them. Not its walls and sockets."""

from __future__ import annotations

import json
import time
from pathlib import Path

import msgspec
from tests.support.client_certificates import certificate, in_envoys_form
from tests.support.decisions import keys, rules
from tests.support.fake_transport import FakeTransport
from tests.support.remembering import LISTENER, Asked
from tests.support.tokens import good_claims, mint

from authz_service.audit.chain import open_memory
from authz_service.audit.destinations import OwnDestinations
from authz_service.decision_worker.answer import Answering
from authz_service.decision_worker.counters import WorkerCounters
from authz_service.decision_worker.decision_log_buffer import DecisionLogBuffer
from authz_service.decision_worker.in_flight import InFlight
from authz_service.decision_worker.pending_questions import PendingQuestions
from authz_service.decision_worker.revisions import Revisions
from authz_service.domain.questions import Answers
from authz_service.ext_authz.http_protocol import DecisionProtocol


class Live:
    """A worker's own parts: revisions of rules, and what answers by them."""

    def __init__(self, folder: Path, slot: int = 0, workers: int = 2, audit_chain: str = "") -> None:
        self.file = folder / "audit"
        self.in_flight = InFlight(workers)
        self.in_flight.sit(slot)
        self.in_flight.filed()  # nobody has died
        self.counters = WorkerCounters()
        answers = Answers(time.monotonic)
        copies = DecisionLogBuffer(lambda _: None, lambda: 0)
        self.revisions = Revisions(self.in_flight, self.counters, answers, copies, _Own())  # type: ignore[arg-type]
        self.answering = Answering(self.in_flight, self.revisions, PendingQuestions(lambda _: None, answers))
        now = int(time.time())
        token, peer = mint(good_claims(now)), in_envoys_form(certificate(now=now))
        self.asked = Asked(token=token.encode(), peer=peer)
        self.given = rules(remember=10.0, audit_path=str(self.file), audit_chain=audit_chain)
        self.use()
        self.revisions.set_keys(keys())

    def use(self, **changes: object) -> None:
        self.given = msgspec.structs.replace(self.given, **changes)
        self.revisions.use(self.given, self.revisions.engine_for(self.given))

    def use_of(self, epoch: int, **changes: object) -> None:
        """As they come from the control plane, which has raised it."""
        self.given = msgspec.structs.replace(self.given, **changes)
        self.revisions.expect(epoch)
        self.revisions.use(self.given, self.revisions.engine_for(self.given), epoch)

    def ask(self, correlation_id: bytes = b"c-1") -> bytes:
        return self.ask_raw(self.question(correlation_id))

    def ask_raw(self, question: bytes) -> bytes:
        transport = FakeTransport()
        protocol = DecisionProtocol(self.answering.answer, recall=self.answering.recall)
        protocol.connection_made(transport)
        protocol.data_received(question)
        return transport.written

    def question(self, correlation_id: bytes = b"c-1") -> bytes:
        return self.asked._replace(correlation_id=correlation_id).written(LISTENER)

    @property
    def is_remembered(self) -> bool:
        self.counters.take()
        self.answering.recall(self.question())
        told = self.counters.take()
        return told is not None and told.memory == {"repeated": 1}

    def records(self) -> list[dict[str, str]]:
        return [json.loads(line) for line in self.file.read_text().splitlines()]


class _Own(OwnDestinations):
    open_chain, dial = staticmethod(open_memory), None
