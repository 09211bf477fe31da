"""F6: two thousand connections of each of eight kinds that want to keep us busy, while good callers go on.

The attacker has a good certificate and a good token: what can be refused early is no trial.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Self

import psutil
from tests.faults.floods import FLOODS, Connection, Flood
from tests.faults.ground import first, long_token
from tests.support.live import Live
from tests.support.load import Load, get
from tests.support.lone_sidecar import HOST, LoneSidecar
from tests.torture.row import Outcome, Progress, Row

_AT_ONCE = 100  # connections that are being made
_OPENING = 20.0  # seconds for all of them
_HOLD = (1.0, 0.002)  # seconds that they stay, and as many more for each of them
_GOOD = 0.999
_MOST_MIB = 256
_SOME = 20  # good requests that show that the load was one


async def run(live: Live, size: int, progress: Progress) -> Outcome:
    """`http.max_connections` has room for the flood and for the good: how to size it stands in operations.md."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    token, each, failures, tried = long_token(live), size // len(FLOODS), [], 0
    figures: dict[str, str | int | float] = {}
    changes = {"http.max_connections": each + 1000}
    with LoneSidecar(live, changes) as sidecar, Memory(sidecar) as memory:
        for flood in FLOODS:
            memory.peak = 0.0
            loads = _loads(sidecar, token)
            with ExitStack() as stack:
                for load in loads:
                    stack.enter_context(load)
                opened = await _attack(sidecar, flood, token, each, lambda n, before=tried: progress(before + n))  # type: ignore[misc]
            tried += each
            failures += [f"{flood.name}: {one}" for one in _judge(loads, memory.peak)]
            good = sum(load.answered for load in loads)
            figures[flood.name] = f"{opened} connections, {good} good requests, {memory.peak:.0f} MiB"
        if not (state := sidecar.readyz())["ready"]:
            failures.append(f"not ready afterwards: {state}")
        if sidecar.metric("authz_envoy_restarts_total") or sidecar.metric("authz_worker_restarts_total"):
            failures.append("a process died")
    return Outcome(tried, failures, [], figures)


def _loads(sidecar: LoneSidecar, token: str) -> tuple[Load, Load]:
    request, tls = get("/orders/1", HOST, authorization=f"Bearer {token}"), sidecar.tls()
    return (
        Load(sidecar.place, request, tls, server_name=HOST, clients=2, pause=0.02),
        Load(sidecar.place, request, tls, server_name=HOST, clients=2, pause=0.02, new_connections=True),
    )


def _judge(loads: tuple[Load, Load], mebibytes: float) -> list[str]:
    found = []
    good = sum(load.answered for load in loads)
    bad = sum(len(load.failures) + load.refused for load in loads)
    if good < _SOME or good / (good + bad) < _GOOD:
        found.append(f"{bad} of {good + bad} good requests failed: {first(loads[0].failures + loads[1].failures)}")
    if mebibytes > _MOST_MIB:
        found.append(f"the sidecar took {mebibytes:.0f} MiB")
    return found


async def _attack(sidecar: LoneSidecar, flood: Flood, token: str, count: int, progress: Callable[[int], None]) -> int:
    """How many connections were open at the same time, at most. All are gone when this returns."""
    tls = sidecar.tls() if flood.tls else None
    if tls is not None:
        tls.set_alpn_protocols([flood.alpn])
    gate, opened, present, peak = asyncio.Semaphore(_AT_ONCE), 0, 0, 0

    async def one(number: int) -> None:
        nonlocal opened, present, peak
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            async with gate:
                name = HOST if tls else None
                reader, writer = await asyncio.open_connection(*sidecar.place, ssl=tls, server_hostname=name)
            opened, present = opened + 1, present + 1
            peak = max(peak, present)
            try:
                await flood.speak(Connection(number, reader, writer, token))
            finally:
                present -= 1
                writer.transport.abort()

    tasks = [asyncio.create_task(one(number)) for number in range(count)]
    end = time.monotonic() + _OPENING
    while opened < count and time.monotonic() < end and not all(task.done() for task in tasks):
        await asyncio.sleep(0.1)
        progress(opened)
    await asyncio.sleep(_HOLD[0] + _HOLD[1] * count)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(0.5)  # for Envoy to notice
    return peak


class Memory:
    """The largest sum of what all processes of a sidecar have for themselves (PSS), looked at now and then."""

    def __init__(self, sidecar: LoneSidecar) -> None:
        self.peak = 0.0  # MiB
        self._sidecar = sidecar
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._stop.wait(0.3):
            with contextlib.suppress(psutil.Error):
                total = sum(process.memory_full_info().pss for process in self._sidecar.tree())
                self.peak = max(self.peak, total / (1 << 20))


ROW = Row(
    id="F6",
    title="slow clients, floods and header bombs",
    promise="99.9 % of the good traffic passes, the sidecar stays below 256 MiB",
    full=8 * 2000,
    sample=8 * 25,
    budget=180,
    run=run,
)
