"""A5: HTTP/1.1 framing and smuggling, HTTP/2 header attacks: raw bytes over mTLS, behind real Python servers.

No request may reach the service without a decision of its own: each one at the application is matched with an audit
record by correlation id, method and path. What the first request may do was written beside each case before the run.
"""

from __future__ import annotations

from collections import Counter

from tests.support.framing_attacks import Framing, all_framings
from tests.support.h2_attacks import H2Attack, all_h2
from tests.support.keep_alive import all_of
from tests.support.live import Live
from tests.support.lone_sidecar import HOST
from tests.support.raw_bytes import exchange
from tests.support.real_services import KINDS, Stand, stands
from tests.torture.row import Outcome, Progress, Row, seed

_FRAMINGS, _H2 = all_framings(), all_h2()
_CASES: list[Framing | H2Attack] = [*_FRAMINGS, *_H2]
_TWINS = 7  # of each protocol: the tables begin with the right ones


async def run(live: Live, size: int, progress: Progress) -> Outcome:
    """`size` is cases times servers; a sample takes every so-manieth case, and the good ones, behind two servers."""
    kinds = KINDS if size >= len(_CASES) * len(KINDS) else KINDS[:2]
    every = max(1, len(_CASES) * len(kinds) // size)
    numbers = [n for n in range(len(_CASES)) if n % every == 0 or n < _TWINS or 0 <= n - len(_FRAMINGS) < _TWINS]
    failures: list[str] = []
    arrived = 0
    with stands(live, kinds) as found:
        for index, stand in enumerate(found):
            attack = _Attack(stand, live.user("john").encode())
            async for done in all_of(numbers, attack.attempt, at_once=40):
                progress(index * len(numbers) + done)
            stand.settle()
            failures += stand.undecided() + attack.judge(numbers)
            arrived += len(stand.seen)
    figures: dict[str, str | int | float] = {"servers": len(kinds), "reached a service, decided": arrived}
    return Outcome(len(numbers) * len(kinds), failures, figures={"seed": seed(), **figures})


class _Attack:
    """Sends each case under a path of its own, so that it can be told what became of it."""

    def __init__(self, stand: Stand, token: bytes) -> None:
        self._stand, self._token = stand, token
        self._http1, self._http2 = stand.sidecar.tls(), stand.sidecar.tls()
        self._http1.set_alpn_protocols(["http/1.1"])
        self._http2.set_alpn_protocols(["h2"])

    async def attempt(self, number: int) -> None:
        context = self._http1 if number < len(_FRAMINGS) else self._http2
        arrives = 0 not in _CASES[number].arrives
        await exchange(self._stand.sidecar.place, context, HOST, self._bytes(number), is_answered=arrives)

    def judge(self, numbers: list[int]) -> list[str]:
        """How often each case's path arrived, and that no hidden one did."""
        count = Counter(request["target"].partition("?")[0] for request in self._stand.seen)
        wrong = [
            f"{self._stand.kind}, case {n} ({_CASES[n].name}): arrived {count[f'/orders/{n}']} times"
            for n in numbers
            if count[f"/orders/{n}"] not in _CASES[n].arrives
        ]
        hidden = [target for target in count if "hidden" in target]
        return wrong + [f"{self._stand.kind}: smuggled: {target[:80]}" for target in hidden]

    def _bytes(self, number: int) -> bytes:
        path = b"/orders/%d" % number
        host, token = HOST.encode(), b"Bearer " + self._token
        if number >= len(_FRAMINGS):
            names = (b":method", b":scheme", b":authority", b":path", b"authorization")
            base = list(zip(names, (b"GET", b"https", host, path, token), strict=True))
            return _H2[number - len(_FRAMINGS)].build(base)
        head = b"%s HTTP/1.1\r\nhost: %s\r\nauthorization: %s\r\n" % (path, host, token)
        hidden = b"GET /orders/hidden-%d HTTP/1.1\r\nhost: %s\r\n\r\n" % (number, host)
        return _FRAMINGS[number].build(head, hidden)


ROW = Row(
    id="A5",
    title="framing and smuggling, HTTP/2 headers",
    promise="0 requests reach the service without a decision",
    full=len(_CASES) * len(KINDS),
    sample=80,
    budget=80,
    run=run,
)
