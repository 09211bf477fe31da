"""A decision worker: serves Envoy's questions on a Unix socket, by rules from the control plane. Holds no secret.

Everything it imports was imported by the nursery before the fork, so that its memory is shared.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import resource
import signal
import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import uvloop

from authz_service.audit.chain import Chain
from authz_service.audit.sink import AuditSink
from authz_service.audit.writer import AuditWriter
from authz_service.domain.refusals import IntrospectionNeeded, KeyMissing, VerdictMissing
from authz_service.domain.rules import GateRules, IssuerKeys
from authz_service.errors import AuditUnavailable
from authz_service.ext_authz import wire
from authz_service.ext_authz.http_protocol import DecisionProtocol
from authz_service.headers import listener_tag
from authz_service.identity.certificates import Peers
from authz_service.identity.introspections import Introspections
from authz_service.identity.tokens import TokenVerifier
from authz_service.ingress.gate import Gate
from authz_service.policy.awaited import AwaitedPolicy
from authz_service.policy.engine import PolicyEngine
from authz_service.policy.opa_server import OpaServer
from authz_service.supervisor.control_questions import ControlQuestions, Needed
from authz_service.supervisor.decision_copies import DecisionCopies
from authz_service.supervisor.decision_service import DecisionService, Tally
from authz_service.supervisor.flight_recorder import FlightRecorder
from authz_service.supervisor.hang_watch import BEAT, STOPPED, state_of
from authz_service.supervisor.messages import (
    Active,
    Hello,
    IntrospectionAnswer,
    KeyAnswer,
    SetKeys,
    SetRules,
    Unusable,
    pack,
    read_message,
    to_worker_decoder,
)

log = logging.getLogger(__name__)

# Below Envoy's per-try timeout (0.4 s): a slow identity provider gives 503 for this token, not a second try elsewhere.
PATIENCE = 0.3  # seconds
# A policy that eats memory ends its worker (an allocation fails, and regorus aborts), not the sidecar. On top of what
# is reserved at the start: regorus' allocator alone takes an arena of 1 GiB of address space when it is imported.
MEMORY_ALLOWANCE = 512 << 20  # bytes
_TICK = 1.0  # seconds between figures, and between looks at the audit file's rotation
_HANG_UP = 0.001  # seconds in which the end of a connection is heard of
_LOOK_AT_THE_OTHER = 0.002  # seconds
_LAST_ANSWERS = 0.05  # seconds for questions that are being answered when we end


def run_worker(flight: FlightRecorder, control_socket: str, decision_socket: int) -> None:
    """Serve on a listening socket until the control plane goes away or SIGTERM arrives."""
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = _reserved_bytes() + MEMORY_ALLOWANCE
    limit = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, most))
    gc.freeze()
    uvloop.run(_Worker(flight, control_socket, decision_socket).run())


def _reserved_bytes() -> int:
    """VmData of proc(5): what RLIMIT_DATA counts, present or not."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    return 0


class _Worker:
    def __init__(self, flight: FlightRecorder, control_socket: str, decision_socket: int) -> None:
        self._flight = flight
        self._stands_by = flight.stands_by
        self._control_socket = control_socket
        self._decision_socket = decision_socket
        self._tally = Tally()
        self._service: DecisionService | None = None
        self._previous: DecisionService | None = None  # judges what Envoy routed before it took over the new routes
        self._listeners: dict[bytes, frozenset[str]] = {}  # by tag: the headers that such a listener strips
        self._rules: GateRules | None = None
        self._unrecordable: GateRules | None = None  # rules that wait for their audit destination
        self._taking_over = asyncio.Lock()
        self._peers: Peers | None = None
        self._tokens: TokenVerifier | None = None
        self._audit: AuditWriter | None = None
        self._policy_server: OpaServer | None = None
        self._keys: dict[str, IssuerKeys] = {}
        self._introspections = Introspections(time.monotonic)
        self._questions = ControlQuestions(lambda question: self._send(pack(question)), self._introspections)
        self._copies = DecisionCopies(self._send, self._unsent)
        self._server: asyncio.Server | None = None
        self._stop = asyncio.Event()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stop.set)
        loop.add_signal_handler(signal.SIGINT, lambda: None)  # the control plane decides when we end
        reader, self._writer = await asyncio.open_unix_connection(self._control_socket)
        self._writer.write(pack(Hello(self._flight.slot, os.getpid())))
        parts = (self._listen(reader), self._tick(), self._beat(), self._stopped())
        tasks = [asyncio.create_task(part) for part in parts]
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if self._server is not None:
            self._server.close()
            await asyncio.sleep(_LAST_ANSWERS)
            self._copies.flush()
        for task in tasks:
            task.cancel()
        for task in done:
            task.result()  # raises what ended it

    def _send(self, message: bytes) -> None:
        self._writer.write(message)

    def _unsent(self) -> int:
        return self._writer.transport.get_write_buffer_size()

    async def _stopped(self) -> None:
        await self._stop.wait()

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        while True:
            try:
                message = await read_message(reader, to_worker_decoder)
            except asyncio.IncompleteReadError:
                return  # the control plane is gone, and so are we
            match message:
                case SetRules(rules):
                    await self._use(rules)
                case SetKeys(keys):
                    self._keys[keys.issuer] = keys
                    _give(self._tokens, keys)
                case KeyAnswer() | IntrospectionAnswer() as answer:
                    self._questions.hear(answer)

    async def _use(self, rules: GateRules) -> None:
        """Decide by `rules` from now on; what cannot be built leaves the last rules in force."""
        async with self._taking_over:
            try:
                service = self._build(rules)
            except AuditUnavailable as error:
                if self._unrecordable is not rules:
                    fields = {"revision": rules.revision, "error": str(error)}
                    log.error("rules_unusable", extra={"fields": fields})  # noqa: TRY400 - expected, no traceback
                    self._writer.write(pack(Unusable(rules.revision, str(error))))
                self._unrecordable = rules
                return
            except Exception as error:
                log.exception("rules_unusable", extra={"fields": {"revision": rules.revision}})
                self._writer.write(pack(Unusable(rules.revision, f"{type(error).__name__}: {error}")))
                self._unrecordable = None
                return
            if self._service is not None and self._service.tag != service.tag:
                self._previous = self._service
            self._service = service
            self._rules, self._unrecordable = rules, None
            if self._server is None:
                self._server = await _serve(self._decision_socket, lambda: DecisionProtocol(self._answer))
            self._writer.write(pack(Active(rules.revision)))

    def _build(self, rules: GateRules) -> DecisionService:
        last = self._rules
        peers, tokens, audit = self._peers, self._tokens, self._audit
        # The caches of verified certificates and tokens live as long as the rules they were verified by.
        if last is None or rules.peers != last.peers:
            peers = None if rules.peers is None else Peers(rules.peers, time.time)
        if last is None or rules.issuers != last.issuers:
            tokens = None if not rules.issuers else TokenVerifier(rules.issuers, time.time)
            for keys in self._keys.values():
                _give(tokens, keys)
        server = self._policy_server
        if last is None or rules.policy_server != last.policy_server:
            server = None if rules.policy_server is None else OpaServer(rules.policy_server)
        policy = PolicyEngine(rules.policy) if rules.policy else AwaitedPolicy() if rules.policy_awaited else server
        self._introspections.use(rules.issuers)
        gate = Gate(rules, peers, tokens, policy, self._introspections)
        gate.deny_tokens(rules.denials)
        if audit is None:
            audit = AuditWriter(Chain(rules.audit_chain, self._flight.slot), AuditSink(rules.audit_path))
        elif last is None or rules.audit_path != last.audit_path:
            audit.write_to(AuditSink(rules.audit_path))
        audit.speak_for(rules.service, rules.zone)
        owned = frozenset(name.lower() for _, name in rules.headers.inject)
        self._listeners[listener_tag(owned).encode()] = owned
        service = DecisionService(gate, audit, self._tally, self._listeners, self._flight, server)
        service.copy_to(self._copies if rules.copies else None)
        for older in (self._previous, self._service):
            if older is not None:
                older.retire(rules)
        if self._policy_server is not None and self._policy_server is not server:
            self._policy_server.close()
        self._peers, self._tokens, self._audit, self._policy_server = peers, tokens, audit, server
        return service

    def _answer(self, method: bytes, target: bytes, found: dict[bytes, bytes]) -> bytes | Awaitable[bytes]:
        if self._stands_by or self._flight.alarmed:
            return self._answer_with_care(method, target, found)
        return self._answer_now(method, target, found)

    def _answer_now(self, method: bytes, target: bytes, found: dict[bytes, bytes]) -> bytes | Awaitable[bytes]:
        service = self._service_for(wire.configuration_tag(found))
        request = service.read(method, target, found)
        decision_id = os.urandom(16).hex()
        try:
            return service.answer(request, decision_id)
        except (KeyMissing, IntrospectionNeeded, VerdictMissing) as missing:
            wanted = missing
        again = _Again((method, target, found), decision_id, time.perf_counter_ns())
        if isinstance(wanted, VerdictMissing):
            return self._after_asking(again, service, wanted)
        return self._after_control_plane(again, wanted)

    async def _after_control_plane(self, again: _Again, needed: Needed) -> bytes:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE
        while True:
            came = await self._questions.bring(needed, deadline - loop.time())
            final = again.final or (came and isinstance(needed, KeyMissing))
            again = again._replace(final=final, late=not came)
            # By the rules of that moment, not of the question's: only theirs were given the new keys.
            now = self._service_for(wire.configuration_tag(again.question[2]))
            try:
                return again.answered_by(now)
            except VerdictMissing as missing:
                return await self._after_asking(again, now, missing)
            except (KeyMissing, IntrospectionNeeded) as another:
                needed = another

    async def _after_asking(self, again: _Again, service: DecisionService, wanted: VerdictMissing) -> bytes:
        """Whose rules changed meanwhile misses its verdict still, and refuses; so does one whose key is gone."""
        async with service.fetched_verdict(wanted):
            now = self._service_for(wire.configuration_tag(again.question[2]))
            return again._replace(late=True).answered_by(now)

    async def _answer_with_care(self, method: bytes, target: bytes, found: dict[bytes, bytes]) -> bytes:
        """It may be Envoy's next try of a question that another worker is at, or has just died at.

        When its asker has hung up, as Envoy does before it tries the next worker, we hear of it now and are cancelled.
        How the other one comes out of the question tells whether to try it here (`quarantine`); one that is stopped
        comes out of nothing, and is not waited for.
        """
        await asyncio.sleep(_HANG_UP)
        service = self._service_for(wire.configuration_tag(found))
        request = service.read(method, target, found)
        while (standing := service.standing(request)) is not None:
            slot, is_the_same = standing
            if state_of(self._flight.pid_of(slot)) in STOPPED:
                if is_the_same:
                    self._flight.take_over(slot)
                break
            await asyncio.sleep(_LOOK_AT_THE_OTHER)
        answer = self._answer_now(method, target, found)
        return answer if isinstance(answer, bytes) else await answer

    def _service_for(self, tag: bytes) -> DecisionService:
        """The rules of the configuration that routed the request: a reload changes rules and routes one by one."""
        service = self._service
        assert service is not None  # the socket is opened after the first rules
        if tag and tag != service.tag and self._previous is not None and tag == self._previous.tag:
            return self._previous
        return service

    async def _beat(self) -> None:
        while True:
            self._flight.beat()
            await asyncio.sleep(BEAT)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK)
            self._copies.flush()
            error = self._tally.audit_error
            figures = self._tally.take()
            if figures is not None:
                self._writer.write(pack(figures))
                if error:
                    log.error(
                        "audit_unavailable", extra={"fields": {"records": figures.audit_failures, "error": error}}
                    )
            if self._audit is not None:
                self._audit.look_after()
            if self._service is not None and self._flight.alarmed:
                self._service.record_unanswered()
            if self._unrecordable is not None:
                await self._use(self._unrecordable)


class _Again(NamedTuple):
    """A question that could not be answered at once, as it will be asked again."""

    question: tuple[bytes, bytes, dict[bytes, bytes]]
    decision_id: str
    started: int
    final: bool = False
    late: bool = False

    def answered_by(self, service: DecisionService) -> bytes:
        request = service.read(*self.question)
        return service.answer(request, self.decision_id, self.started, final=self.final, late=self.late)


def _give(tokens: TokenVerifier | None, keys: IssuerKeys) -> None:
    """A key set that cannot be used is reported, and the last one stays."""
    try:
        if tokens is not None:
            tokens.set_keys(keys)
    except ValueError as error:
        log.error("keys_unusable", extra={"fields": {"issuer": keys.issuer, "error": str(error)}})  # noqa: TRY400 - expected, no traceback


async def _serve(listening: int, protocol: Callable[[], DecisionProtocol]) -> asyncio.Server:
    """Take what connects to the slot's socket, which the control plane made and keeps: it outlives us."""
    return await asyncio.get_running_loop().create_unix_server(protocol, sock=socket.socket(fileno=listening))
