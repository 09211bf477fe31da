"""What the rows of faults share: a token that outlives a long row, loads that count wrong allows, waits that report."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Self

from tests.support.live import Live
from tests.support.load import Load, get
from tests.support.lone_sidecar import HOST, LoneSidecar
from tests.support.patience import PATIENCE

_POLL = 0.01
_PAUSE = 0.05  # seconds between two requests of a client: several sidecars under load share two cores


def long_token(live: Live, user: str = "john") -> str:
    """Valid for two hours, truly signed."""
    return live.signed("users", live.user(user), exp=int(time.time()) + 7200)


def waited(holds: Callable[[], object], patience: float = PATIENCE) -> float | None:
    """Seconds until it held; None when patience was at an end."""
    started = time.monotonic()
    while not holds():
        if time.monotonic() - started > patience:
            return None
        time.sleep(_POLL)
    return time.monotonic() - started


@dataclass
class Waits:
    """How long a change took to act, each time. What never did is a failure; what was slow is told."""

    promised: float  # seconds, on a quiet machine
    seconds: list[float] = field(default_factory=list)
    never: list[str] = field(default_factory=list)

    def add(self, what: str, holds: Callable[[], object], *, since: float | None = None) -> None:
        """`since` is a moment of `time.monotonic`; without it the wait counts from now."""
        begun = time.monotonic() if since is None else since
        if waited(holds) is None:
            self.never.append(f"{what}: not within {PATIENCE:g} s")
        else:
            self.seconds.append(time.monotonic() - begun)

    @property
    def figure(self) -> str:
        if not self.seconds:
            return "none"
        ordered = sorted(self.seconds)
        return f"{ordered[len(ordered) // 2]:.2f} s in the middle, {ordered[-1]:.2f} s at most"

    def deviations(self, what: str) -> list[str]:
        """No failure: the machine may have been busy, and a slow machine is no open door."""
        late = sum(one > self.promised for one in self.seconds)
        if not late:
            return []
        return [f"{what}: {late} of {len(self.seconds)} later than the promised {self.promised:g} s ({self.figure})"]


class Traffic:
    """Good requests that must pass, and two kinds of bad ones that must not, to one ingress, while it is disturbed."""

    def __init__(self, sidecar: LoneSidecar, token: str, *, new_connections: bool = False) -> None:
        def load(path: str, credentials: str, clients: int, *, anew: bool) -> Load:
            request = get(path, HOST, authorization=f"Bearer {credentials}")
            return Load(
                sidecar.place,
                request,
                sidecar.tls(),
                server_name=HOST,
                clients=clients,
                pause=_PAUSE,
                new_connections=anew,
            )

        self.good = load("/orders/1", token, 2, anew=new_connections)
        self._bad = [load("/forbidden", token, 1, anew=False), load("/orders/2", "x.y.z", 1, anew=False)]
        self._sidecar = sidecar
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        for load in (self.good, *self._bad):
            self._stack.enter_context(load)
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def wrong_allows(self) -> list[str]:
        """Bad requests that were answered with 200, or that reached the service."""
        found = [f"{load.answered} requests that must be refused were answered" for load in self._bad if load.answered]
        strange = {seen.target for seen in self._sidecar.echo.seen} - {"/orders/1"}
        return found + [f"the service got {target}" for target in sorted(strange)]

    def bad_were_tried(self) -> bool:
        return all(load.failures for load in self._bad)


def first(failures: list[str]) -> list[str]:
    """Some of a load's failures: ten thousand say no more."""
    return failures[:5] + ([f"and {len(failures) - 5} more"] if len(failures) > 5 else [])
