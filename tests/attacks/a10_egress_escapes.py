"""A10: ways out of the egress: another host, another path, another's token, over TCP and over a Unix socket."""

from __future__ import annotations

import itertools
import random
import re
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from pathlib import PurePosixPath
from unicodedata import normalize
from urllib.parse import unquote_to_bytes

from tests.support.echo_service import EchoService, Seen
from tests.support.egress_escapes import BASE, ESCAPES, GOOD_TWINS, ROUTE, Escape
from tests.support.live import Live, decoded
from tests.support.lone_sidecar import TARGET, LoneSidecar
from tests.support.neighbours import send_raw
from tests.support.target_service import target_service
from tests.torture.row import Outcome, Progress, Row, seed

from authz_service import headers

_DOORS = ("tcp", "unix")
_AT_ONCE = 8


async def run(live: Live, size: int, progress: Progress) -> Outcome:
    """Each escape at both doors: the decoy hears nothing, and the target nothing but its own."""
    every = list(itertools.product(ESCAPES, _DOORS))
    drawn = random.Random(seed()).sample(every, min(size, len(every)))
    failures = []
    with ExitStack() as stack:
        ground = _Ground(live, stack)
        pool = stack.enter_context(ThreadPoolExecutor(_AT_ONCE))
        tries = [pool.submit(ground.attempt, *one) for one in (*drawn, *itertools.product(GOOD_TWINS, _DOORS))]
        for number, one in enumerate(as_completed(tries), 1):
            failures += one.result()
            progress(min(number, len(drawn)))
        figures: dict[str, str | int | float] = {
            "tokens to a wrong host": sum(map(_has_our_token, ground.decoy.seen)),
            "paths outside the route": sum(not is_below(BASE, seen.target) for seen in ground.target.seen),
            "good twins": len(_DOORS) * len(GOOD_TWINS),
        }
    return Outcome(len(drawn), failures, figures=figures)


class _Ground:
    """A target over mTLS, a decoy that nothing may reach, and one sidecar for each door."""

    def __init__(self, live: Live, stack: ExitStack) -> None:
        self.target = stack.enter_context(target_service(live))
        self.decoy = stack.enter_context(EchoService(live.free_address(), 80))
        place = (self.target.host, self.target.port)
        changes = {
            "egress.routes": [
                {"path_prefix": ROUTE, "target": "data-service", "strip_prefix": "/v1"},
                {"path_prefix": "/other", "target": "decoy"},
            ],
            "egress.targets.decoy": {"url": "http://decoy.example"},
            "hosts": {**live.mesh.hosts, TARGET: self.target.host, "decoy.example": self.decoy.host},
        }

        def on_a_unix_socket(sidecar: LoneSidecar) -> None:
            sidecar.write_config({"egress.addr": f"unix://{sidecar.folder}/egress.sock"})

        self._numbers = itertools.count(1)
        self.doors = {
            "tcp": stack.enter_context(LoneSidecar(live, changes, target=place)),
            "unix": stack.enter_context(LoneSidecar(live, changes, target=place, prepare=on_a_unix_socket)),
        }

    def attempt(self, escape: Escape, door: str) -> list[str]:
        """What did not hold, each with the case's name."""
        mark = f"a10-{next(self._numbers)}"
        line, end, rest = escape.request.partition(b"\r\n")
        answer = send_raw(
            self.doors[door].egress_place, line + end + f"{headers.CORRELATION_ID}: {mark}\r\n".encode() + rest
        )
        arrived, strayed = _marked(self.target, mark), _marked(self.decoy, mark)
        wrong = [f"a token reached the decoy: {seen.target}" for seen in strayed if _has_our_token(seen)]
        if [seen.target for seen in strayed] != ([] if escape.elsewhere is None else [escape.elsewhere]):
            wrong.append(f"reached the decoy: {[seen.target for seen in strayed]}")
        wrong += [f"left the route: {seen.target}" for seen in arrived if not is_below(BASE, seen.target)]
        wrong += [
            f"another's token, or none: {seen.target}" for seen in arrived if not _is_rightly_called(seen, self.target)
        ]
        expected = (escape.by_socket if door == "unix" else None) or escape.arrives
        if [seen.target for seen in arrived] != ([] if expected is None else [expected]):
            wrong.append(f"expected {expected}, arrived {[seen.target for seen in arrived]}")
        status = answer[9:12].decode("latin-1")
        if expected is None and escape.elsewhere is None and not re.fullmatch("4..", status):
            wrong.append(f"answered {status or 'nothing'}")
        return [f"{escape.name} ({door}): {what}" for what in wrong]


def _marked(service: EchoService, mark: str) -> list[Seen]:
    return [seen for seen in list(service.seen) if mark in seen.values(headers.CORRELATION_ID)]


def is_below(base: str, target: str) -> bool:
    """However a careless server reads it: decoded twice, parameters cut off, backslashes, Unicode folded."""
    text = target.partition("?")[0].partition("#")[0]
    readings = [text]
    for _ in range(2):
        text = unquote_to_bytes(text).decode("utf-8", "replace")
        readings += [text, normalize("NFKC", text)]
    return all(_resolved(reading).is_relative_to(base) for reading in readings)


def _resolved(path: str) -> PurePosixPath:
    found: list[str] = []
    for segment in path.replace("\\", "/").split("/"):
        name = segment.partition(";")[0].strip().strip("\x00")
        if name == "..":
            found[-1:] = []
        elif name not in {"", "."}:
            found.append(name)
    return PurePosixPath("/", *found)


def _has_our_token(seen: Seen) -> bool:
    return any(value.startswith("Bearer ey") for value in seen.values("authorization"))


def _is_rightly_called(seen: Seen, target: EchoService) -> bool:
    """By its own name, with the one token that is for it, over our certificate."""
    tokens = [decoded(value.removeprefix("Bearer "))[1] for value in seen.values("authorization")]
    return (
        seen.values("host") == [f"{TARGET}:{target.port}"]
        and [token["azp"] for token in tokens] == ["order-service"]
        and bool(seen.peer_serial)
    )


ROW = Row(
    id="A10",
    title="ways out of the egress",
    promise="0 tokens to a wrong host, 0 paths outside the route",
    full=len(_DOORS) * len(ESCAPES),
    sample=60,
    budget=90,
    run=run,
)
