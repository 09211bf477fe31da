"""A3: mutated tokens, many thousands, at a live ingress. Only the untouched ones may pass."""

from __future__ import annotations

import itertools
import json
from base64 import urlsafe_b64decode
from collections import Counter
from collections.abc import Iterator, Sequence

from tests.support.keep_alive import Answer, Connections, all_of, get
from tests.support.live import Live
from tests.support.lone_sidecar import HOST, LoneSidecar
from tests.support.token_mutations import mutant
from tests.torture.row import Outcome, Progress, Row, seed

from authz_service.domain.refusals import Reason

_CONNECTIONS = 24
_GOOD_EVERY = 250  # after so many mutants the good token, which must pass
_WAITED = "503 keys_unavailable: the provider did not answer within 0.3 s whether there is the key that they name"
_CONTROL = bytes({*range(32), 127} - {9})


async def run(live: Live, size: int, progress: Progress) -> Outcome:
    """Each mutant: 401, or 400 or 431 where the bytes are no header's. Each good one in between: 200."""
    tokens = [live.user(name).encode() for name in ("john", "mary", "victor")]
    tokens.append(live.service("order-service").encode())
    tokens.append(live.signed("users", tokens[0].decode(), exp=1).encode())
    with LoneSidecar(live) as sidecar:
        fuzz = _Fuzz(tokens, sidecar)
        before = {process.pid for process in sidecar.tree()}
        async with Connections(sidecar.place, sidecar.tls(), HOST, count=_CONNECTIONS) as fuzz.door:
            async for done in all_of(_numbers(size), fuzz.attempt, at_once=_CONNECTIONS):
                progress(min(done, size))
        if {process.pid for process in sidecar.tree()} != before:
            fuzz.failures.append("a process of the sidecar was replaced")
        restarts = sum(sidecar.metric(f"authz_{what}_restarts_total") for what in ("worker", "envoy"))
        if restarts:
            fuzz.failures.append(f"{restarts:.0f} restarts")
        if len(sidecar.echo.seen) != fuzz.good:
            fuzz.failures.append(f"{len(sidecar.echo.seen)} requests at the service, {fuzz.good} good ones sent")
    answers = {f"{status}": count for status, count in sorted(fuzz.statuses.items())}
    deviations = (
        [f"seed {seed()}, mutants {fuzz.waited[:10]}, {len(fuzz.waited)} in all: {_WAITED}"] if fuzz.waited else []
    )
    return Outcome(size, fuzz.failures, deviations, {"seed": seed(), "good ones": fuzz.good, **answers})


class _Fuzz:
    """Sends and judges."""

    door: Connections

    def __init__(self, tokens: Sequence[bytes], sidecar: LoneSidecar) -> None:
        self._tokens, self._sidecar = tokens, sidecar
        self.failures: list[str] = []
        self.statuses: Counter[int] = Counter()
        self.waited: list[int] = []  # whose answer was 503, because the key that they name did not come in time
        self.good = 0

    async def attempt(self, number: int) -> None:
        """A number below zero is a good one."""
        if number < 0:
            self.good += 1
            answer = await self.door.ask(get("/orders/1", HOST, self._tokens[-number % 3]))
            if answer.status != 200:
                self.failures.append(f"the good token: {answer.status} {answer.reason}")
            return
        token = mutant(self._tokens, seed(), number)
        try:
            answer = await self.door.ask(get("/orders/1", HOST, token))
        except (OSError, EOFError, TimeoutError) as error:
            self.failures.append(f"seed {seed()}, mutant {number}: {type(error).__name__} {error}")
            return
        self.statuses[answer.status] += 1
        if answer.reason == Reason.KEYS_UNAVAILABLE and _names_another_key(token, self._tokens):
            self.waited.append(number)
        elif not _is_right(token, answer):
            self.failures.append(f"seed {seed()}, mutant {number}: {answer.status} {answer.reason} for {token[:80]!r}")


def _is_right(token: bytes, answer: Answer) -> bool:
    """RFC 6750 §3.1: 401. A control character is no header's (RFC 9110 §5.5): 400. Too long: 431."""
    if token.translate(None, _CONTROL) != token:
        return answer.status == 400
    return answer.status == 401 or (answer.status == 431 and len(token) > 16_000)


def _names_another_key(token: bytes, tokens: Sequence[bytes]) -> bool:
    """Whether its `kid` is none of those that are there: then the provider is asked, who may be slow."""
    kids = [_kid(each) for each in (token, *tokens)]
    return isinstance(kids[0], str) and kids[0] not in kids[1:]


def _kid(token: bytes) -> object:
    try:
        return json.loads(urlsafe_b64decode(token.partition(b".")[0] + b"==")).get("kid")
    except (ValueError, AttributeError):
        return None


def _numbers(size: int) -> Iterator[int]:
    good = itertools.count(1)
    for number in range(size):
        if number % _GOOD_EVERY == 0:
            yield -next(good)
        yield number


ROW = Row(
    id="A3",
    title="mutated tokens",
    promise="0 accepted, 0 answers of 5xx, 0 restarts",
    full=100_000,
    sample=2_000,
    budget=210,
    run=run,
)
