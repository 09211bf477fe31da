"""Python's processor time for one decision in a worker: bytes in to bytes out, record written. No Envoy, no socket.

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
from itertools import count, cycle
from pathlib import Path
from statistics import median

from msgspec.structs import replace
from tests.support.client_certificates import certificate, in_envoys_form
from tests.support.decisions import rules
from tests.support.remembering_worker import Live
from tests.support.tokens import good_claims, mint

from authz_service import headers
from authz_service.audit.chain import prepare
from authz_service.domain.rules import GateRules, HeaderRules, PolicySource
from authz_service.ext_authz.http_protocol import DecisionProtocol

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


def question(path: str, token: str, peer: bytes, remote: str = "10.0.1.10") -> bytes:
    """As Envoy writes it."""
    lines = (
        f"GET {headers.CHECK_PATH}{headers.listener_tag(OWNED)}{path} HTTP/1.1".encode(),
        b"host: order-service.zone2.local",
        b"content-length: 0",
        b"authorization: Bearer " + token.encode(),
        b"x-correlation-id: 27dc8f54-0d5f-4dd1-9f2e-3c7c2b6f7a51",
        headers.REMOTE.encode() + b": " + remote.encode(),
        headers.PEER_CERT.encode() + b": " + peer,
        b"x-envoy-internal: true",
        b"x-envoy-expected-rq-timeout-ms: 400",
    )
    return b"\r\n".join(lines) + b"\r\n\r\n"


class Bench:
    """A worker's own parts, which decide by the example's rules, and one connection of Envoy's."""

    def __init__(self, folder: Path) -> None:
        now = int(time.time())  # as issuers write times: whole seconds
        prepare(folder / "chain", b"")
        self._worker = Live(folder, audit_chain=str(folder / "chain"))
        rules = order_rules()
        self._worker.use(policy=rules.policy, headers=rules.headers, remember=rules.remember)
        self._peer = in_envoys_form(certificate(valid=(now - 60, now + 86_400)))
        self._token = mint(good_claims(now, exp=now + 86_400))
        self._tokens = [mint(good_claims(now, jti=str(n), exp=now + 86_400)) for n in range(NEW_TOKENS)]
        self._drain = Drain()
        answering = self._worker.answering
        self._protocol = DecisionProtocol(answering.answer, recall=answering.recall)
        self._protocol.connection_made(self._drain)

    def renew(self) -> None:
        """No token was seen yet."""
        issuers = self._worker.given.issuers
        self._worker.use(issuers=tuple(replace(each, leeway=each.leeway + 0.001) for each in issuers))

    def ask(self, asked: bytes) -> bytes:
        self._protocol.data_received(asked)
        return self._drain.last

    def judged(self, path: str, status: int) -> Callable[[], object]:
        """Each time a question that was never asked, of a caller who is known: another path."""
        return self._numbered(question(f"{path}/@", self._token, self._peer), status)

    def parsed(self, path: str, status: int) -> Callable[[], object]:
        """The same of a known certificate and token, but from another address each time."""
        return self._numbered(question(path, self._token, self._peer, "fd00::@"), status)

    def _numbered(self, asked: bytes, status: int) -> Callable[[], object]:
        before, _, after = asked.partition(b"@")
        ask, numbers = self._protocol.data_received, count(1000)
        assert self.ask(before + b"0" + after).startswith(b"HTTP/1.1 %d" % status)
        return lambda: ask(b"%b%d%b" % (before, next(numbers), after))

    def repeated(self, path: str) -> Callable[[], object]:
        """The same question again and again, which the worker remembers (proxy.authz.remember)."""
        asked = question(path, self._token, self._peer)
        for _ in range(2):
            self.ask(asked)
        return lambda: self._protocol.data_received(asked)

    def of_new_tokens(self, path: str) -> Callable[[], object]:
        """A token never seen before with every question."""
        asked = cycle([question(path, token, self._peer) for token in self._tokens])
        return lambda: self._protocol.data_received(next(asked))


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
        yield Figure("decision, caller known", typical(bench.judged("/orders", 200)), goal=GOAL)
        yield Figure("decision, remembered", typical(bench.repeated("/orders/7")))
        yield Figure("decision, refused by the policy", typical(bench.judged("/admin", 403)))
        yield Figure("decision, token and certificate known", typical(bench.parsed("/orders/7", 200)))
        anew = bench.of_new_tokens("/orders/7")
        yield Figure("decision, a new token each time", typical(anew, NEW_TOKENS, bench.renew))


def main() -> None:
    found = list(figures())
    for figure in found:
        goal = "" if figure.goal is None else f"   goal ≤ {figure.goal:.0f}: {'held' if figure.held else 'MISSED'}"
        print(f"{figure.name:40} {figure.value:7.1f} {figure.unit}{goal}")
    for argument in sys.argv[1:]:
        name, _, value = argument.partition("=")
        if name == "JSON":
            document = {"figures": [{**asdict(figure), "held": figure.held} for figure in found]}
            Path(value).write_text(json.dumps(document, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
