"""Python's processor time for one decision in a worker: question to answer, record written. No Envoy, no socket.

    python -m bench.decision [JSON=FILE]

Each figure is the median of many rounds, in microseconds of this process's processor time: virtual machines have been
seen to book a round's time wrongly by some milliseconds, so the best round says little.
"""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import cycle
from pathlib import Path
from statistics import median

from tests.support.client_certificates import certificate, in_envoys_form
from tests.support.decisions import gate, rules
from tests.support.tokens import good_claims, mint

from authz_service import headers
from authz_service.audit.chain import Chain, prepare
from authz_service.audit.sink import AuditSink
from authz_service.audit.writer import AuditWriter
from authz_service.decision_worker.counters import WorkerCounters
from authz_service.decision_worker.in_flight import InFlight
from authz_service.decision_worker.ingress_decision import IngressDecisions, Known
from authz_service.domain.decision import Request
from authz_service.domain.rules import GateRules, HeaderRules, PolicySource
from authz_service.ext_authz.http_protocol import DecisionProtocol
from authz_service.ext_authz.remembered import RememberedQuestions

ORDER_POLICY = Path(__file__).parents[1] / "examples/three_zones/order-service/policies/order.rego"
GOAL = 28.0
ROUNDS, PER_ROUND = 150, 200
NEW_TOKENS = 200


@dataclass(frozen=True, slots=True)
class Figure:
    name: str
    value: float
    unit: str = "µs"
    goal: float | None = None

    @property
    def held(self) -> bool | None:
        return None if self.goal is None else self.value <= self.goal


class Drain(asyncio.Transport):
    """A connection that takes everything; keeps the last answer."""

    last = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.last = bytes(data)

    def close(self) -> None:
        raise AssertionError("the worker ended the connection")


OWNED = ("X-User-ID", "X-Original-User")


def order_rules() -> GateRules:
    """The example's order service."""
    source = PolicySource("data.order.allow", (("order.rego", ORDER_POLICY.read_text(encoding="utf-8")),))
    carried = HeaderRules(
        pass_token=False, inject=tuple(("sub", name) for name in OWNED), extract=("X-Correlation-ID",)
    )
    return rules(policy=source, headers=carried, remember=600.0)


def question(path: str, token: str, peer: bytes) -> bytes:
    """As Envoy writes it."""
    lines = (
        f"POST {headers.CHECK_PATH}{headers.listener_tag(OWNED)}{path} HTTP/1.1".encode(),
        b"host: order-service.zone2.local",
        b"content-length: 0",
        b"authorization: Bearer " + token.encode(),
        b"x-correlation-id: 27dc8f54-0d5f-4dd1-9f2e-3c7c2b6f7a51",
        headers.REMOTE.encode() + b": 10.0.1.10",
        headers.PEER_CERT.encode() + b": " + peer,
        b"x-envoy-internal: true",
        b"x-envoy-expected-rq-timeout-ms: 400",
    )
    return b"\r\n".join(lines) + b"\r\n\r\n"


class Bench:
    """One service on one audit file."""

    def __init__(self, folder: Path) -> None:
        now = int(time.time())  # as issuers write times: whole seconds
        self._file = folder / "audit.jsonl"
        self._chain = folder / "chain"
        prepare(self._chain, b"")
        self._peer = in_envoys_form(certificate(valid=(now - 60, now + 86_400)))
        self._token = mint(good_claims(now, exp=now + 86_400))
        self._tokens = [mint(good_claims(now, jti=str(n), exp=now + 86_400)) for n in range(NEW_TOKENS)]
        self._now = time.time
        self.renew()

    def renew(self) -> None:
        """A service that has seen nothing yet."""
        audit = AuditWriter(Chain(str(self._chain), 0), AuditSink(str(self._file)))
        self.service = IngressDecisions(gate(order_rules(), self._now), audit, WorkerCounters(), {}, InFlight(2))

    def read(self, path: str, token: str) -> Request:
        seen: list[Request] = []

        def keep(method: bytes, target: bytes, found: dict[bytes, bytes], _: bytes) -> bytes:
            seen.append(self.service.read(method, target, found))
            return b"-"

        protocol = DecisionProtocol(keep)
        protocol.connection_made(Drain())
        protocol.data_received(question(path, token, self._peer))
        return seen[0]

    def answered(self, path: str, status: int) -> Callable[[], object]:
        """The same question again and again, to the service itself."""
        asked = self.read(path, self._token)
        assert self.service.answer(asked).startswith(b"HTTP/1.1 %d" % status)
        return lambda: self.service.answer(asked)

    def served(self, path: str, status: int) -> Callable[[], object]:
        """The same as bytes from Envoy to bytes for Envoy."""
        drain = Drain()
        protocol = DecisionProtocol(lambda *asked: self.service.answer(self.service.read(*asked[:3])))
        protocol.connection_made(drain)
        asked = question(path, self._token, self._peer)
        protocol.data_received(asked)
        assert drain.last.startswith(b"HTTP/1.1 %d" % status)
        return lambda: protocol.data_received(asked)

    def repeated(self, path: str) -> Callable[[], object]:
        """The same where the worker remembers what it allowed (proxy.authz.remember)."""
        remembered: RememberedQuestions[Known] = RememberedQuestions(time.time)
        self.service.remember_in(remembered)

        def recall(asked: bytes) -> bytes | None:
            found = remembered.find(asked)
            return None if found is None else self.service.repeat(*found)

        def answer(method: bytes, target: bytes, found: dict[bytes, bytes], asked: bytes) -> bytes:
            return self.service.answer(self.service.read(method, target, found), came_in=asked)

        protocol, asked = DecisionProtocol(answer, recall=recall), question(path, self._token, self._peer)
        protocol.connection_made(Drain())
        for _ in range(2):
            protocol.data_received(asked)
        assert recall(asked) is not None
        return lambda: protocol.data_received(asked)

    def answered_anew(self) -> Callable[[], object]:
        """A token never seen before with every question."""
        asked = cycle([self.read("/orders", token) for token in self._tokens])
        return lambda: self.service.answer(next(asked))


def typical(action: Callable[[], object], count: int = PER_ROUND, before: Callable[[], None] = lambda: None) -> float:
    """Microseconds of processor time for one."""
    times = []
    for _ in range(ROUNDS):
        before()
        started = time.process_time_ns()
        for _ in range(count):
            action()
        times.append((time.process_time_ns() - started) / count / 1000)
    return median(times)


def figures() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        bench = Bench(Path(folder))
        yield Figure("decision, token cached: bytes in to bytes out", typical(bench.served("/orders", 200)), goal=GOAL)
        yield Figure("decision, remembered: bytes in to bytes out", typical(bench.repeated("/orders")))
        yield Figure("decision, token cached: the service alone", typical(bench.answered("/orders", 200)))
        yield Figure("decision, refused by the policy: bytes in to bytes out", typical(bench.served("/admin", 403)))
        anew = bench.answered_anew()
        yield Figure("decision, a new token each time: the service alone", typical(anew, NEW_TOKENS, bench.renew))


def main() -> None:
    found = list(figures())
    for figure in found:
        goal = "" if figure.goal is None else f"   goal ≤ {figure.goal:.0f}: {'held' if figure.held else 'MISSED'}"
        print(f"{figure.name:56} {figure.value:7.1f} {figure.unit}{goal}")
    for argument in sys.argv[1:]:
        name, _, value = argument.partition("=")
        if name == "JSON":
            document = {"figures": [{**asdict(figure), "held": figure.held} for figure in found]}
            Path(value).write_text(json.dumps(document, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
