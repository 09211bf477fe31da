"""Workers who are asked the same: one without a memory of what he allowed, one with it, one behind a decision cache of
Envoy's, which his permits fill. Their answers and records must be equal.

Not the walls, the sockets and the timer of a real worker: `integration` has those.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from tests.support.client_certificates import CN, O, certificate, in_envoys_form
from tests.support.decision_cache import DecisionCache
from tests.support.decisions import keys, rules
from tests.support.fake_transport import FakeTransport
from tests.support.remembering_worker import LISTENER, Asked, own_parts
from tests.support.tokens import NOW, good_claims, mint

from authz_service.decision_worker.counters import WorkerCounters
from authz_service.decision_worker.in_flight import InFlight
from authz_service.domain.rules import GateRules, PeerRules, PolicySource, RouteRules, TokenDenials
from authz_service.ext_authz.http_protocol import DecisionProtocol
from authz_service.policy.decide.engine import PolicyEngine

_OF_ITS_OWN = ("time", "decision_id", "duration_us", "repeats", "writer", "seq", "chain")
_ID = re.compile(rb"[0-9a-f]{32}")


class Clock:
    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> float:
        return self.time


class Worker:
    """What a worker does between Envoy's bytes and its own, by one revision after the other."""

    def __init__(self, folder: Path, name: str, clock: Clock, *, remembers: bool) -> None:
        self._file = folder / name
        self._clock = clock
        self._revisions, self._answering = own_parts(InFlight(1), WorkerCounters(), clock.now)
        self._revisions.set_keys(keys())
        self._engines: dict[PolicySource, PolicyEngine] = {}
        self._recall = self._count_recalled if remembers else None
        self.recalled = 0
        self._read = 0
        self._connect()

    def use(self, given: GateRules, epoch: int = 0) -> None:
        """Policies go by the clock, too."""
        source = given.policy
        assert source is not None
        engine = self._engines.get(source) or PolicyEngine(source, lambda: int(self._clock.time * 1e9))
        self._engines[source] = engine
        self._revisions.expect(epoch)
        self._revisions.use(msgspec.structs.replace(given, audit_path=str(self._file)), engine, epoch)

    def ask(self, question: bytes) -> bytes:
        """The answer; b"" and another connection where there is none."""
        self._transport.written = b""
        self._protocol.data_received(question)
        answer = self._transport.written
        if self._transport.ended or not answer:
            self._connect()
        return answer

    def records(self) -> list[dict[str, Any]]:
        """Those since the last call."""
        lines = self._file.read_bytes().splitlines()
        new, self._read = lines[self._read :], len(lines)
        return [json.loads(line) for line in new]

    def _connect(self) -> None:
        self._transport = FakeTransport()
        self._protocol = DecisionProtocol(self._answering.answer, recall=self._recall)
        self._protocol.connection_made(self._transport)

    def _count_recalled(self, question: bytes) -> bytes | None:
        answer = self._answering.recall(question)
        self.recalled += answer is not None
        return answer


class CachedWorker:
    """A worker and what Envoy asks instead of it, which write into one file."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.file = folder / "cached"
        self.epoch = 0
        self._worker = Worker(folder, self.file.name, clock, remembers=True)
        self.cache = DecisionCache(self.file, clock.now, lambda: self.epoch)
        self.records = self._worker.records

    def use(self, given: GateRules) -> None:
        self.epoch += 1
        self._worker.use(msgspec.structs.replace(given, cached_in_envoy=True), self.epoch)

    def ask(self, question: bytes) -> bytes:
        return self.cache.repeat(question) or self.cache.learn(question, self._worker.ask(question))


class Twins:
    """Asks all of them, and tells them apart."""

    def __init__(self, folder: Path, given: GateRules) -> None:
        self.clock = Clock()
        self.plain = Worker(folder, "plain", self.clock, remembers=False)
        self.remembering = Worker(folder, "remembering", self.clock, remembers=True)
        self.cached = CachedWorker(folder, self.clock)
        self.repeated = self.allowed = self.refused = 0
        self.use(given)

    def use(self, given: GateRules) -> None:
        self.given = given
        self.plain.use(given)
        self.remembering.use(given)
        self.cached.use(given)

    def difference(self, question: bytes) -> str:
        """What one of them says and another one does not; nothing where they agree."""
        three = (self.plain, self.remembering, self.cached)
        plain, *others = [_without_ids(worker.ask(question)) for worker in three]
        records, *their_records = [worker.records() for worker in three]
        self.repeated += sum(record["repeats"] != "" for record in their_records[0])
        self.allowed += plain.startswith(b"HTTP/1.1 200 ")
        self.refused += not plain.startswith(b"HTTP/1.1 200 ")
        if others != [plain, plain]:
            return f"{question!r}: {plain!r} without memory, {others} with it"
        shown = [[_comparable(record) for record in each] for each in (records, *their_records)]
        return "" if shown[1:] == [shown[0]] * 2 else f"{question!r}: {shown[0]} without memory, {shown[1:]} with it"


def _without_ids(answer: bytes) -> bytes:
    return _ID.sub(b"", answer)


def _comparable(record: dict[str, Any]) -> dict[str, Any]:
    """A correlation id that is no good one is replaced by the decision's."""
    own = record["correlation_id"] == record["decision_id"]
    kept = {name: value for name, value in record.items() if name not in _OF_ITS_OWN}
    return kept | ({"correlation_id": ""} if own else {})


# The questions

# In a record, read carelessly, the end of a text and members of its own.
_HOSTILE = (
    b'","decision_id":"","correlation_id":"","method":"","duration_us":7,"policy_audit":1,"truncated":false,"x":"'
)
_OFTEN = (0, 0, 1, 2, 2, 3, 4, 5, 6)  # of POLICIES
POLICIES = (
    """input.mtls.subject.CN == "api-gateway-client"
    input.request.segments[0] == "orders"
    "orders:create" in input.token.realm_access.roles
    input.token.exp + 5 > time.now_ns() / 1000000000""",
    """input.request.query.mode == ["fast"]
    not input.token.auth_time + 60 < time.now_ns() / 1000000000""",
    """input.headers["X-User-Context"] == "john"
    startswith(input.request.host, "order")""",
    """input.mtls.fingerprint_sha256 != ""
    input.token.auth_time + 20 < time.now_ns() / 1000000000""",
    """object.get(input.headers, "X-Correlation-ID", "") != "c-2" """,
    """input.decision_id != ""
    input.request.method in ["GET", "POST"]""",
    """time.now_ns() % 2000000000 < 1000000000
    input.request.path == "/orders" """,
)


def source(number: int) -> PolicySource:
    text = f"package order\nimport rego.v1\ndefault allow := false\nallow if {{\n    {POLICIES[number]}\n}}\n"
    return PolicySource("data.order.allow", (("order.rego", text),))


def tokens() -> tuple[bytes, ...]:
    """Users and services, soon over and later, bound and free, and some that are none."""
    made = [
        mint(good_claims(auth_time=int(NOW) - 10)),
        mint(good_claims(jti="2", auth_time=int(NOW), exp=int(NOW) + 20)),
        mint(good_claims(sub="s-2", realm_access={"roles": ["customer"]}, auth_time=int(NOW) - 50)),
        mint(good_claims(sub="s-3", azp="order-service", auth_time=int(NOW))),
        mint(good_claims(exp=int(NOW) - 3600)),
        mint({**good_claims(), "nbf": int(NOW) + 60, "auth_time": int(NOW)}),
    ]
    return (*(token.encode() for token in made), made[0][:-2].encode() + b"AA", b"", b"a.b.c")


def peers() -> tuple[bytes, ...]:
    return (
        in_envoys_form(certificate()),
        in_envoys_form(certificate(valid=(NOW - 60, NOW + 90), serial=78)),
        in_envoys_form(certificate(((CN, "order-service-client"), (O, "MyOrg")), serial=79)),
        b"",
    )


class Play:
    """Chance's choice of questions and of what happens between them."""

    def __init__(self, twins: Twins, seed: int) -> None:
        self._twins = twins
        self._chance = random.Random(seed)
        self._tokens, self._peers = tokens(), peers()
        self._asked = [self._first()]

    def steps(self, count: int) -> Iterator[str]:
        """The difference that each question shows; "" for none."""
        for _ in range(count):
            if self._chance.random() < 0.06:
                self._happen()
            yield self._twins.difference(self._question())

    def _first(self) -> Asked:
        return Asked(token=self._tokens[0], peer=self._peers[0])

    def _question(self) -> bytes:
        """Mostly one that was asked before, perhaps changed in one thing; now and then in one byte."""
        chance = self._chance
        asked = chance.choice(self._asked)._replace(correlation_id=chance.choice((b"c-1", b"c-2", b"a.b-_9")))
        if chance.random() < 0.2:
            asked = asked._replace(**self._change())
            self._asked = [self._first(), asked, chance.choice(self._asked)]
        question = asked.written(LISTENER)
        if chance.random() < 0.08:
            at = chance.randrange(len(question))
            question = question[:at] + bytes([chance.randrange(256)]) + question[at + chance.randrange(2) :]
        return question

    def _change(self) -> dict[str, Any]:
        changes: tuple[tuple[str, tuple[Any, ...]], ...] = (
            ("method", (b"POST", b"GET", b"PUT", b"TRACE")),
            ("path", (b"/orders", b"/orders/1", b"/orders?mode=fast", b"/orders?mode=slow", b"/", b"/orders%2F1")),
            ("path", (b"/orders/" + b"x" * 4000, b"/orders/" + _HOSTILE)),
            ("host", (b"order-service.zone2.local", b"other.local", b"a,b")),
            ("route", (b"", b"r|/orders", b"-")),
            ("token", self._tokens),
            ("peer", self._peers),
            ("remote", (b"10.0.1.10", b"10.0.1.11")),
            ("user_context", (b"john", b"mary", b"", b"john" + _HOSTILE)),
            ("correlation_id", (b"", b"a b", b"c-1,c-2", b"x" * 129, b"c-1\r\nx-user-context: mary")),
            ("lines", ((), (b"x-correlation-id: c-2",), (b"authorization: Bearer x",), (b"content-length: 0",))),
        )
        name, values = self._chance.choice(changes)
        return {name: self._chance.choice(values)}

    def _happen(self) -> None:
        twins, chance = self._twins, self._chance
        given = twins.given
        happenings: tuple[Callable[[], object], ...] = (
            lambda: self._pass(chance.choice((0.2, 1.0, 3.0, 7.0, 31.0))),
            lambda: self._pass(chance.choice((-5.0, -0.5))),
            lambda: setattr(twins.clock, "time", NOW),
            lambda: twins.use(msgspec.structs.replace(given, policy=source(chance.choice(_OFTEN)))),
            lambda: twins.use(msgspec.structs.replace(given, denials=chance.choice(_DENIALS))),
            lambda: twins.use(msgspec.structs.replace(given, peers=chance.choice(_PEER_RULES))),
            lambda: twins.use(msgspec.structs.replace(given, shadow=chance.random() < 0.3)),
        )
        chance.choice(happenings)()

    def _pass(self, seconds: float) -> None:
        self._twins.clock.time += seconds


_DENIALS = (
    TokenDenials(),
    TokenDenials(claims=(("", "jti", "5a1c"),)),
    TokenDenials(claims=(("", "sub", "s-2"),)),
)
_GOOD_PEERS = rules().peers
assert isinstance(_GOOD_PEERS, PeerRules)
_PEER_RULES = (
    _GOOD_PEERS,
    msgspec.structs.replace(_GOOD_PEERS, listed=None, listed_until=NOW + 12),
    msgspec.structs.replace(_GOOD_PEERS, required=False),
)


def twins_in(folder: Path, *, remember: float = 10.0) -> Twins:
    route = RouteRules("", auth_required=True, methods=(), downstream="order")
    return Twins(folder, rules(policy=source(0), remember=remember, routes=(route,)))
