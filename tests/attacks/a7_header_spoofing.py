"""A7: every header that is ours, in every spelling, over HTTP/1.1 and HTTP/2: nobody sees the client's value.

Sent by a stranger without a certificate and by a caller with one, with a token that has a value for each injected
header and with one that lacks them; behind real servers, which read `_` as `-`, join duplicates and merge trailers.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import NamedTuple

from tests.support import raw_bytes
from tests.support.header_spoofing import Spoof, owned_names, spoofs
from tests.support.keep_alive import all_of
from tests.support.live import Live
from tests.support.lone_sidecar import GATEWAY, HOST
from tests.support.real_services import KINDS, Stand, stands
from tests.torture.row import Outcome, Progress, Row

from authz_service import headers

_INJECTED = ("x-user-id", "x-user-email", "x-user-roles")
_MARKER = "evil-"


class _Case(NamedTuple):
    number: int
    name: str
    spoof: Spoof
    http2: bool


def _cases() -> Iterator[_Case]:
    numbers = itertools.count()
    for name in owned_names(_INJECTED):
        for spelling in range(len(spoofs(name, _MARKER))):
            for http2 in (False, True):
                number = next(numbers)
                spoof = spoofs(name, f"{_MARKER}{number}-")[spelling]
                if spoof.http2 if http2 else spoof.http1:
                    yield _Case(number, name, spoof, http2)


_CASES = list(_cases())


async def run(live: Live, size: int, progress: Progress) -> Outcome:
    """`size` is cases times servers; a sample takes every so-manieth behind two of them."""
    kinds = KINDS if size >= len(_CASES) * len(KINDS) else KINDS[:2]
    chosen = _CASES[:: max(1, len(_CASES) * len(kinds) // size)]
    john = live.user("john")
    tokens = (john, live.signed("users", john, email=..., realm_access=...))
    failures: list[str] = []
    served = 0
    with stands(live, kinds) as found:
        for index, stand in enumerate(found):
            attack = _Attack(stand, tokens)
            async for done in all_of(chosen, attack.attempt, at_once=40):
                progress(index * len(chosen) + done)
            await attack.good_twins()
            stand.settle()
            failures += stand.undecided() + _shown(stand) + _missing_twins(stand)
            served += len(stand.seen)
    return Outcome(len(chosen) * len(kinds), failures, figures={"servers": len(kinds), "served": served})


class _Attack:
    """Sends each case, with the certificate and token that its number draws."""

    def __init__(self, stand: Stand, tokens: tuple[str, str]) -> None:
        self._stand, self._tokens = stand, tokens
        self._tls = {}
        for certificate, alpn in itertools.product((GATEWAY, None), ("http/1.1", "h2")):
            context = stand.sidecar.tls(certificate)
            context.set_alpn_protocols([alpn])
            self._tls[certificate is not None, alpn == "h2"] = context

    async def attempt(self, case: _Case) -> None:
        # A verified caller may say on whose behalf he acts; a stranger may not.
        verified = case.number // 2 % 2 == 0 and case.name != headers.USER_CONTEXT
        await self._send(case.number, case.spoof, verified=verified, http2=case.http2)

    async def good_twins(self) -> None:
        """A header that is nobody's passes, over both protocols: the marker can be seen."""
        for http2 in (False, True):
            twin = Spoof("the twin", b"x-other: good\r\n", [(b"x-other", b"good")])
            await self._send(0, twin, verified=True, http2=http2)

    async def _send(self, number: int, spoof: Spoof, *, verified: bool, http2: bool) -> None:
        token = self._tokens[number // 4 % 2].encode()
        build = _http2 if http2 else _http1
        sent = build(spoof, b"Bearer " + token)
        await raw_bytes.exchange(self._stand.sidecar.place, self._tls[verified, http2], HOST, sent)


def _http1(spoof: Spoof, token: bytes) -> bytes:
    head = b"POST /orders/1 HTTP/1.1\r\nhost: %s\r\nauthorization: %s\r\n" % (HOST.encode(), token)
    if spoof.trailer:
        return head + b"transfer-encoding: chunked\r\nconnection: close\r\n\r\n2\r\nok\r\n0\r\n" + spoof.http1 + b"\r\n"
    last = b"" if b"connection:" in spoof.http1 else b"connection: close\r\n"
    return head + b"content-length: 0\r\n" + last + spoof.http1 + b"\r\n"


def _http2(spoof: Spoof, token: bytes) -> bytes:
    base = [(b":method", b"POST"), (b":scheme", b"https"), (b":authority", HOST.encode()), (b":path", b"/orders/1"),
            (b"authorization", token)]  # fmt: skip
    if spoof.trailer:
        return raw_bytes.opening(raw_bytes.request(base, b"ok", spoof.http2))
    return raw_bytes.opening(raw_bytes.request([*base, *spoof.http2]))


def _shown(stand: Stand) -> list[str]:
    """Markers at the service under an owned name, as servers read names; markers anywhere in the audit."""
    owned = set(owned_names(_INJECTED))
    found = [
        f"{stand.kind}: the service sees {name}: {value[:60]!r}"
        for request in stand.seen
        for name, value in request["headers"]
        if _MARKER in value and _is_owned(name, owned)
    ]
    audit = [json.dumps(record) for record in stand.sidecar.audit]
    return found + [f"{stand.kind}: the audit shows {text[:200]}" for text in audit if _MARKER in text]


def _is_owned(name: str, owned: set[str]) -> bool:
    plain = name.strip().lower().replace("_", "-").removeprefix("http-")
    return plain in owned or plain.startswith(headers.STRIPPED_PREFIXES)


def _missing_twins(stand: Stand) -> list[str]:
    twins = [value for request in stand.seen for name, value in request["headers"] if name.lower() == "x-other"]
    if twins != ["good", "good"]:
        return [f"{stand.kind}: of two good headers the service saw {twins}"]
    ids = [value for request in stand.seen for name, value in request["headers"] if name.lower() == "x-user-id"]
    if len(ids) != len(stand.seen) or len(set(ids)) != 1:
        return [f"{stand.kind}: {len(stand.seen)} requests, {len(ids)} user ids: {set(ids)}"]
    return []


ROW = Row(
    id="A7",
    title="header spoofing",
    promise="neither service nor audit shows a client's value",
    full=len(_CASES) * len(KINDS),
    sample=120,
    budget=150,
    run=run,
)
