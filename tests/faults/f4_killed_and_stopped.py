"""F4: each process of a sidecar is killed (SIGKILL) and stopped (SIGSTOP) under load, again and again.

Five sidecars side by side, so that it fits into its time: one per victim, and two for the control plane, whose death
takes the longest to get over.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack

import psutil
from tests.faults.ground import Traffic, Waits, first, long_token, waited
from tests.support.live import Live
from tests.support.lone_sidecar import LoneSidecar
from tests.support.patience import PATIENCE
from tests.torture.row import Outcome, Progress, Row

_VICTIMS = {"worker": 1, "forkserver": 1, "envoy": 1, "control plane": 2}  # in so many sidecars
_STOPPED_FOR = 0.3  # seconds
_CALM = 1.0  # seconds; an Envoy that dies within a second of its birth is started again with a pause, on purpose
_MUST_LOSE_NOTHING = {("worker", signal.SIGKILL), ("worker", signal.SIGSTOP), ("control plane", signal.SIGSTOP)}


async def run(live: Live, size: int, progress: Progress) -> Outcome:
    """An eighth each: four victims, killed and stopped."""
    token, times = long_token(live), size // (2 * len(_VICTIMS))
    waits = {name: Waits(promised=2.0 if name in {"worker", "envoy"} else 15.0) for name in _VICTIMS}
    with ExitStack() as stack:
        victims = [
            Victim(name, stack.enter_context(LoneSidecar(live)), token, waits[name])
            for name, sidecars in _VICTIMS.items()
            for _ in range(sidecars)
        ]
        threads = [
            threading.Thread(target=victim.suffer, args=(-(-times // _VICTIMS[victim.name]),)) for victim in victims
        ]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            time.sleep(0.2)
            progress(sum(victim.done for victim in victims))
    figures: dict[str, str | int | float] = {f"{name} back after": one.figure for name, one in waits.items()}
    figures["good requests"] = sum(victim.answered for victim in victims)
    for name in _VICTIMS:
        figures[f"{name}: of them lost"] = sum(victim.lost for victim in victims if victim.name == name)
    return Outcome(
        sum(victim.done for victim in victims),
        [f"{victim.name}: {one}" for victim in victims for one in victim.failures]
        + [f"{name}: {never}" for name, one in waits.items() for never in one.never],
        [text for name, one in waits.items() for text in one.deviations(f"{name}: serving again")]
        + ["a killed Envoy, forkserver or control plane loses the requests that it had in hand; a stopped one delays"],
        figures,
    )


class Victim:
    """One process of a sidecar, and what its death and its silence cost."""

    def __init__(self, name: str, sidecar: LoneSidecar, token: str, back: Waits) -> None:
        self.name, self.done = name, 0
        self.failures: list[str] = []
        self.back = back
        self.answered = self.lost = 0
        self._sidecar, self._token = sidecar, token

    def suffer(self, times: int) -> None:
        """Never raises: what went wrong stands in `failures`."""
        try:
            for harm in (signal.SIGKILL, signal.SIGSTOP):
                self._under_load(harm, times)
        except (OSError, psutil.Error, StopIteration, AssertionError) as error:
            self.failures.append(f"{type(error).__name__}: {error}")

    def _under_load(self, harm: signal.Signals, times: int) -> None:
        act: Callable[[], None] = self._kill if harm == signal.SIGKILL else self._stop
        with Traffic(self._sidecar, self._token) as traffic:
            for _ in range(times):
                act()
                self.done += 1
        self.failures += traffic.wrong_allows()
        if not traffic.bad_were_tried() or traffic.good.answered < times:
            self.failures.append("the load was no load")
        self.answered += traffic.good.answered
        lost = len(traffic.good.failures)
        self.lost += lost
        if lost and (self.name, harm) in _MUST_LOSE_NOTHING:
            self.failures += [f"{harm.name}: {one}" for one in first(traffic.good.failures)]

    def _kill(self) -> None:
        everybody, victim = self._sidecar.tree(), self._process()
        dying = [victim, *victim.children(recursive=True)]
        begun = time.monotonic()
        victim.kill()
        if self.name == "control plane":
            self._gone(everybody)
            assert self._sidecar.process is not None
            self._sidecar.process.wait()
            begun = time.monotonic()
            self._sidecar.start()
        self.back.add("killed", self._serves, since=begun)
        self._gone(dying)
        if waited(lambda: self._sidecar.readyz()["ready"] and len(self._sidecar.workers()) == 2) is None:
            self.failures.append("not whole again")
        if self.name == "envoy":
            time.sleep(_CALM)

    def _stop(self) -> None:
        """It may be replaced meanwhile, or go on afterwards."""
        victim = self._process()
        victim.suspend()
        time.sleep(_STOPPED_FOR)
        if victim.is_running():
            victim.resume()
        if waited(self._serves) is None:
            self.failures.append("does not serve after SIGCONT")
        if waited(lambda: self._sidecar.readyz()["ready"]) is None:
            self.failures.append("not ready after SIGCONT")

    def _process(self) -> psutil.Process:
        match self.name:
            case "worker":
                return self._sidecar.workers()[self.done % 2]
            case "forkserver":
                return self._sidecar.forkserver()
            case "envoy":
                return self._sidecar.envoy()
        return self._sidecar.tree()[0]

    def _serves(self) -> bool:
        try:
            return self._sidecar.call("GET", "/orders/1", token=self._token).status == 200
        except OSError:
            return False

    def _gone(self, processes: list[psutil.Process]) -> None:
        """Dead, or waiting for its parent to notice."""
        _, alive = psutil.wait_procs(processes, PATIENCE)
        left = [process for process in alive if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
        self.failures += [f"left behind: {process.name()}" for process in left]


ROW = Row(
    id="F4",
    title="each process is killed and stopped under load",
    promise="0 wrong allows, a worker's death costs 0 requests, Envoy is back, 0 orphans",
    full=800,
    sample=8,
    budget=250,
    run=run,
)
