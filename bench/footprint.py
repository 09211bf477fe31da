"""What one sidecar takes before it has served anything: memory, and time from its start until it is ready."""

from __future__ import annotations

import asyncio
from statistics import median

from bench.figures import Figure, at_most
from bench.processes import find_sidecar, memory
from bench.stage import ORDER, Stage

MEMORY = at_most(140)  # MiB
READY = at_most(1.0)  # seconds
_STARTS = 5
_SETTLING = 2.0  # seconds until nothing of the start is under way any more
_MIB = 1 << 20


async def measure_footprint(stage: Stage) -> list[Figure]:
    """The first start is not counted: it may compile what was changed since."""
    seconds: list[float] = []
    for number in range(_STARTS + 1):
        took = await stage.start_sidecar(ORDER)
        if number:
            seconds.append(took)
        if number < _STARTS:
            await stage.stop_sidecar(ORDER)
    await asyncio.sleep(_SETTLING)
    sidecar = find_sidecar(stage.pid(f"{ORDER.name}/sidecar"))
    found = memory(sidecar.all)
    await stage.stop_sidecar(ORDER)
    part = "one idle sidecar"
    own = found.own
    parts = {
        "memory of its own, Envoy": own[sidecar.envoy],
        "memory of its own, control plane": own[sidecar.control_plane],
        "memory of its own, forkserver and workers": own[sidecar.forkserver] + sum(own[pid] for pid in sidecar.workers),
        "programs and libraries, each once": found.files,
    }
    return [
        Figure("start", "start to ready, keys reachable", median(seconds), "s", READY),
        Figure(part, "memory (PSS), all its processes", found.total / _MIB, "MiB", MEMORY),
        *(Figure(part, name, size / _MIB, "MiB") for name, size in parts.items()),
    ]
