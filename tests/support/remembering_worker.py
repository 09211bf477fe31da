"""A worker's own parts in this process: revisions of rules, and what answers by them; and what Envoy asks it.

Not its walls and sockets.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec
from tests.support.client_certificates import certificate, in_envoys_form
from tests.support.decisions import HEADERS, keys, rules
from tests.support.fake_transport import FakeTransport
from tests.support.tokens import good_claims, mint

from authz_service import headers
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

LISTENER = headers.listener_tag(name for _, name in HEADERS.inject).encode()
_PEER, _REMOTE, _ROUTE = (name.encode() for name in (headers.PEER_CERT, headers.REMOTE, headers.ROUTE))


class Asked(NamedTuple):
    """A question by its parts; `lines` are more headers, as they are written."""

    method: bytes = b"POST"
    path: bytes = b"/orders"
    host: bytes = b"order-service.zone2.local"
    route: bytes = b""
    token: bytes = b""
    peer: bytes = b""
    remote: bytes = b"10.0.1.10"
    user_context: bytes = b"john"
    correlation_id: bytes = b"c-1"
    lines: tuple[bytes, ...] = ()

    def written(self, listener: bytes) -> bytes:
        lines = (
            b"%s %s%s%s HTTP/1.1" % (self.method, headers.CHECK_PATH.encode(), listener, self.path),
            b"host: " + self.host,
            b"content-length: 0",
            b"authorization: Bearer " + self.token,
            b"x-correlation-id: " + self.correlation_id,
            b"x-user-context: " + self.user_context,
            _ROUTE + b": " + self.route,
            _REMOTE + b": " + self.remote,
            *((_PEER + b": " + self.peer,) if self.peer else ()),
            *self.lines,
        )
        return b"\r\n".join(lines) + b"\r\n\r\n"


def own_parts(in_flight: InFlight, counters: WorkerCounters, now: Callable[[], float]) -> tuple[Revisions, Answering]:
    in_flight.filed()  # nobody has died
    answers = Answers(time.monotonic)
    copies = DecisionLogBuffer(lambda _: None, lambda: 0)
    revisions = Revisions(in_flight, counters, answers, copies, _Own(), now)  # type: ignore[arg-type]
    return revisions, Answering(in_flight, revisions, PendingQuestions(lambda _: None, answers))


class Live:
    """A worker that decides by the real clock, and a question that it allows."""

    def __init__(self, folder: Path, slot: int = 0, workers: int = 2, audit_chain: str = "") -> None:
        self.file = folder / "audit"
        self.in_flight = InFlight(workers)
        self.in_flight.sit(slot)
        self.counters = WorkerCounters()
        self.revisions, self.answering = own_parts(self.in_flight, self.counters, time.time)
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
