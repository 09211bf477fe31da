"""F6: two thousand connections of each of eight kinds that want to keep us busy, while good callers go on.

The attacker has a good certificate and a good token: what can be refused early is no trial. The doors are as by
default: `http.max_connections` bounds what he can take, and when he has taken all, nobody else can connect. So good
traffic is that of callers who are connected already, as sidecars are; how many were kept out is told.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import threading
from dataclasses import asdict
from functools import partial
from typing import Self

import psutil
from tests.faults.floods import FLOODS, Attack
from tests.faults.ground import first, long_token, waited
from tests.support.live import Live
from tests.support.load import Load, get
from tests.support.lone_sidecar import GATEWAY, HOST, LoneSidecar
from tests.torture.row import Outcome, Progress, Row

from authz_devkit.certs.tree import ca_bundle, leaf_cert, leaf_key
from authz_service.parent_death import bound_to_us

_HOLD = (1.0, 0.002)  # seconds that they stay, and as many more for each of them
_GOOD = 0.999
_MOST_MIB = 256
_SOME = 20  # good requests that show that the load was one


async def run(live: Live, size: int, progress: Progress) -> Outcome:
    token, each, failures = long_token(live), size // len(FLOODS), []
    figures: dict[str, str | int | float] = {}
    kept_out, largest = 0, 0.0
    with LoneSidecar(live) as sidecar, Memory(sidecar) as memory:
        for number, flood in enumerate(FLOODS):
            memory.reset()
            kept, anew = _loads(sidecar, token)
            with kept, anew:
                waited(partial(_is_connected, kept))
                opened = await _attack(sidecar, number, token, each)
            if waited(lambda: _serves(sidecar, token)) is None:
                failures.append(f"{flood.name}: new connections are not served afterwards")
            failures += [f"{flood.name}: {one}" for one in _judge(kept, anew, memory.envoy)]
            kept_out += anew.refused
            figures[flood.name] = (
                f"{opened} connections, {kept.answered} good requests, "
                f"{memory.envoy:.0f} MiB of Envoy, {memory.sidecar:.0f} of the sidecar"
            )
            largest = max(largest, memory.sidecar)
            progress((number + 1) * each)
        if waited(lambda: sidecar.readyz()["ready"]) is None:
            failures.append(f"not ready afterwards: {sidecar.readyz()}")
        if sidecar.metric("authz_envoy_restarts_total") or sidecar.metric("authz_worker_restarts_total"):
            failures.append("a process died")
    deviations = []
    if kept_out:
        deviations.append(f"{kept_out} new connections were kept out while the attacker held all that the door lets in")
    if largest > _MOST_MIB:
        deviations.append(
            f"all processes together took {largest:.0f} MiB: 256 bound what a stranger can grow, which is Envoy; the "
            "Python processes beside it have about 95, with and without a flood"
        )
    return Outcome(each * len(FLOODS), failures, deviations, figures)


def _loads(sidecar: LoneSidecar, token: str) -> tuple[Load, Load]:
    request, tls = get("/orders/1", HOST, authorization=f"Bearer {token}"), sidecar.tls()
    return (
        Load(sidecar.place, request, tls, server_name=HOST, clients=2, pause=0.02),
        Load(sidecar.place, request, tls, server_name=HOST, clients=2, pause=0.02, new_connections=True),
    )


def _is_connected(load: Load) -> bool:
    return load.answered > _SOME


def _judge(kept: Load, anew: Load, mebibytes: float) -> list[str]:
    found = []
    if kept.answered < _SOME or len(kept.failures) > (1 - _GOOD) * kept.answered:
        bad = len(kept.failures)
        found.append(f"{bad} of {kept.answered + bad} good requests failed: {first(kept.failures)}")
    if len(anew.failures) > (1 - _GOOD) * max(anew.answered, 1000):
        found.append(f"{len(anew.failures)} requests on new connections failed: {first(anew.failures)}")
    if mebibytes > _MOST_MIB:
        found.append(f"Envoy took {mebibytes:.0f} MiB")
    return found


async def _attack(sidecar: LoneSidecar, flood: int, token: str, count: int) -> int:
    """All connections are gone when this returns."""
    address, port = sidecar.place
    attack = Attack(
        flood,
        address,
        port,
        HOST,
        str(ca_bundle(sidecar.certs, "zone2")),
        str(leaf_cert(sidecar.certs, GATEWAY)),
        str(leaf_key(sidecar.certs, GATEWAY)),
        token,
        count,
        _HOLD[0] + _HOLD[1] * count,
    )
    attacker = await asyncio.create_subprocess_exec(
        *bound_to_us([sys.executable, "-m", "tests.faults.floods", json.dumps(asdict(attack))]),
        stdout=asyncio.subprocess.PIPE,
    )
    told, _ = await attacker.communicate()
    return int(told)


def _serves(sidecar: LoneSidecar, token: str) -> bool:
    try:
        return sidecar.call("GET", "/orders/1", token=token).status == 200
    except OSError:
        return False


class Memory:
    """The largest that a sidecar's processes had for themselves (PSS, in MiB), looked at now and then."""

    def __init__(self, sidecar: LoneSidecar) -> None:
        self._sidecar = sidecar
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.reset()

    def reset(self) -> None:
        self.envoy = self.sidecar = 0.0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._stop.wait(0.3):
            with contextlib.suppress(psutil.Error, StopIteration):
                envoy = self._sidecar.envoy().pid
                sizes = {one.pid: one.memory_full_info().pss / (1 << 20) for one in self._sidecar.tree()}
                self.envoy = max(self.envoy, sizes[envoy])
                self.sidecar = max(self.sidecar, sum(sizes.values()))


ROW = Row(
    id="F6",
    title="slow clients, floods and header bombs",
    promise="99.9 % of the good traffic passes, Envoy stays below 256 MiB",
    full=8 * 2000,
    sample=8 * 25,
    budget=130,
    run=run,
)
