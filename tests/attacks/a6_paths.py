"""A6: the path that the policy saw is the path that the service got, and none leads out of the guarded prefix.

The policy lets /orders and what is below it pass. Behind each server the request is looked at as a service would: as it
came in, as the server decoded it, and decoded once more, with `..` resolved and with what stands behind a `;` dropped.
"""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from urllib.parse import unquote

from tests.support.keep_alive import all_of
from tests.support.live import Json, Live
from tests.support.lone_sidecar import HOST
from tests.support.path_attacks import good_paths, hostile_paths
from tests.support.raw_bytes import exchange
from tests.support.real_services import KINDS, Stand, stands
from tests.torture.row import Outcome, Progress, Row

_HOSTILE = hostile_paths()
_PREFIX = "orders"


async def run(live: Live, size: int, progress: Progress) -> Outcome:
    """`size` is hostile paths times servers; a sample takes every so-manieth behind two of them."""
    kinds = KINDS if size >= len(_HOSTILE) * len(KINDS) else KINDS[2:]
    every = max(1, len(_HOSTILE) * len(kinds) // size)
    paths = [*_HOSTILE[::every], *good_paths()]
    failures: list[str] = []
    served = 0
    token = live.user("john")
    with stands(live, kinds) as found:
        for index, stand in enumerate(found):
            attack = _Attack(stand, token)
            async for done in all_of(paths, attack.attempt):
                progress(index * len(paths) + done)
            stand.settle()
            failures += stand.undecided() + _escapes(stand) + _judge(stand, attack.statuses)
            served += len(stand.seen)
    return Outcome(len(paths) * len(kinds), failures, figures={"servers": len(kinds), "served, below /orders": served})


class _Attack:
    """Sends paths as they are, each over a connection of its own."""

    def __init__(self, stand: Stand, token: str) -> None:
        self._place, self._tls = stand.sidecar.place, stand.sidecar.tls()
        self._rest = f" HTTP/1.1\r\nhost: {HOST}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
        self.statuses: dict[str, str] = {}

    async def attempt(self, path: str) -> None:
        said = await exchange(self._place, self._tls, HOST, f"GET {path}{self._rest}".encode("latin-1"))
        self.statuses[path] = said.split(b" ")[1].decode() if b" " in said else "closed"


def _judge(stand: Stand, statuses: dict[str, str]) -> list[str]:
    """Good paths 200; hostile ones 200 below the prefix or refused; never a 5xx."""
    wrong = [f"{stand.kind}: good path {path!r}: {statuses[path]}" for path in good_paths() if statuses[path] != "200"]
    wrong += [f"{stand.kind}: {path!r}: {status}" for path, status in statuses.items() if status.startswith("5")]
    count = Counter(statuses.values())
    if count["200"] != len(stand.seen):
        wrong.append(f"{stand.kind}: {count['200']} answers of 200, {len(stand.seen)} requests at the service")
    return wrong


def _escapes(stand: Stand) -> list[str]:
    """Every reading of the path that a service may come to begins with the prefix."""
    return [
        f"{stand.kind}: escaped: {request['target']!r} read as {reading!r}"
        for request in stand.seen
        for reading in _readings(request)
        if reading.split("/")[1] != _PREFIX
    ]


def _readings(request: Json) -> set[str]:
    found = set()
    for text in (request["target"].partition("?")[0], request["path"]):
        once = unquote(text, errors="replace")
        for decoded in (text, once, unquote(once, errors="replace")):
            for plain in (decoded, re.sub(r";[^/]*", "", decoded), decoded.replace("\\", "/")):
                found.add(posixpath.normpath(re.sub(r"/+", "/", plain)))
    return found


ROW = Row(
    id="A6",
    title="paths",
    promise="the policy's path is the service's; 0 escapes",
    full=len(_HOSTILE) * len(KINDS),
    sample=150,
    budget=140,
    run=run,
)
