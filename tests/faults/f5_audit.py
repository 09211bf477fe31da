"""F5: the audit destination is full, read-only, deleted, rotated, stalled, its writers are killed: under load.

Each fault comes and goes, again and again, in a sidecar of its own. What is allowed is on record, the chain of the
records explains whatever is missing, and it recovers by itself.
"""

from __future__ import annotations

import json
import threading
import time
from contextlib import ExitStack

from tests.faults.audit_faults import FAULTS, Fault, mounts_of_our_own
from tests.faults.ground import first, long_token, waited
from tests.support.live import Live
from tests.support.load import Load, get
from tests.support.lone_sidecar import HOST, LoneSidecar
from tests.support.patience import PATIENCE
from tests.torture.row import Outcome, Progress, Row

from authz_service.audit.record import MAX_LINE
from authz_service.audit.verify import Place, Verifier
from authz_service.domain.refusals import Reason

_FAULTS = 6  # of SECURITY F5; what comes with `on_failure: continue` is tried beside them
_LASTS, _CALM = 0.2, 0.2  # seconds
_CLIENTS = 4


async def run(live: Live, size: int, progress: Progress) -> Outcome:
    token, each = long_token(live), -(-size // _FAULTS)
    trials = [Trial(make(), LoneSidecar(live), token) for make in FAULTS]
    threads = [threading.Thread(target=trial.suffer, args=(each,)) for trial in trials]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        time.sleep(0.2)
        progress(sum(trial.tried for trial in trials))
    figures: dict[str, str | int | float] = {f"{one.fault.name}: times": one.times for one in trials}
    figures |= {f"{one.fault.name}: refused": one.refused for one in trials if one.refused}
    figures |= {f"{one.fault.name}: explained by a gap": one.explained for one in trials if one.explained}
    denying = [one for one in trials if not one.passed]
    figures |= {"allowed": sum(one.allowed for one in denying), "their records": sum(one.recorded for one in denying)}
    figures |= {f"{one.fault.name}: allowed without a record, counted": one.passed for one in trials if one.passed}
    return Outcome(
        sum(trial.tried for trial in trials),
        [f"{trial.fault.name}: {failure}" for trial in trials for failure in trial.failures],
        [trial.deviation for trial in trials if trial.deviation],
        figures,
    )


class Trial:
    """One fault, one sidecar. `failures` says what went wrong; nothing is raised."""

    def __init__(self, fault: Fault, sidecar: LoneSidecar, token: str) -> None:
        self.fault, self._sidecar, self._token = fault, sidecar, token
        self.failures: list[str] = []
        self.deviation = ""
        self.times = self.allowed = self.recorded = self.passed = self.explained = 0
        self._good, self._bad = self._load("/orders/1"), self._load("/forbidden")

    @property
    def tried(self) -> int:
        return self._good.answered + len(self._good.failures)

    @property
    def refused(self) -> int:
        return len(self._good.failures)

    def suffer(self, requests: int) -> None:
        try:
            if not mounts_of_our_own():
                self.deviation = f"{self.fault.name}: no right to mount, so something else stood for the disk"
            self.fault.prepare(self._sidecar, requests)
            with self._sidecar:
                with ExitStack() as loads:
                    for load in (self._good, self._bad):
                        loads.enter_context(load)
                    while self.tried < requests:
                        self._once()
                self._settled()
                ends = self._sidecar.heads
                lost = self._sidecar.metric("authz_audit_failures_total")
            self._judge(Verifier(heads=ends), lost)
        except Exception as error:  # noqa: BLE001 - the other trials go on
            self.failures.append(f"{type(error).__name__}: {error}")

    def _load(self, path: str) -> Load:
        request = get(path, HOST, authorization=f"Bearer {self._token}")
        tls = self._sidecar.tls()
        return Load(self._sidecar.place, request, tls, server_name=HOST, clients=_CLIENTS, pause=0.002)

    def _once(self) -> None:
        """It comes, is felt, lasts, goes, and all is well again without anybody's help."""
        self.times += 1
        refused = self.refused
        self.fault.strike()
        if self.fault.refuses and waited(lambda: self.refused > refused) is None:
            self.failures.append("nobody felt it")
        time.sleep(_LASTS)
        self.fault.heal()
        answered = self._good.answered
        if waited(lambda: self._good.answered > answered + _CLIENTS) is None:
            self.failures.append(f"not well again within {PATIENCE:g} s")
        time.sleep(_CALM)

    def _settled(self) -> None:
        """One more good request to each worker's record of its gap, and the figures of the last second."""
        waited(lambda: self._sidecar.call("GET", "/orders/1", token=self._token).status == 200)
        time.sleep(2.5)

    def _judge(self, verifier: Verifier, lost: float) -> None:
        gaps = []
        for name, content in self.fault.contents():
            for number, line in enumerate(content.splitlines(keepends=True), 1):
                verifier.read(Place(name, number), line)
                if len(line) > MAX_LINE + 1:
                    self.failures.append(f"{name}:{number} has {len(line)} bytes")
                if b'"event":"audit_gap"' in line:
                    gaps.append(json.loads(line[line.rindex(b'{"time"') :]))
        verifier.finish()
        self.passed = sum(gap["passed"] for gap in gaps)
        self._judge_requests(verifier)
        self.explained = sum(gap["lost"] + gap["uncertain"] for gap in gaps)
        if (told := sum(gap["lost"] for gap in gaps)) != lost:
            self.failures.append(f"the records of gaps tell of {told} losses, the metric of {lost:.0f}")
        self.failures += [f"{problem.place}: {problem.kind}: {problem.text}" for problem in verifier.problems[:5]]
        if verifier.foreign:
            self.failures.append(f"{verifier.foreign} lines are no records")

    def _judge_requests(self, verifier: Verifier) -> None:
        seen, passed = self._sidecar.echo.paths(), self.passed
        self.allowed = len(seen)
        self.recorded = sum(writer.allowed for writer in verifier.writers.values())
        goes_on = "continue" in self.fault.name
        if self.allowed > self.recorded + (passed if goes_on else 0):
            self.failures.append(f"{self.allowed} requests allowed, {self.recorded} recorded, {passed} went on without")
        if goes_on != bool(passed):
            self.failures.append(f"{passed} allowed requests went on without a record")
        if strange := sorted(set(seen) - {"/orders/1"}):
            self.failures.append(f"the service got {strange}")
        if self._bad.answered or not self._bad.failures:
            self.failures.append(f"{self._bad.answered} forbidden requests answered, {len(self._bad.failures)} refused")
        expected = f"status 503 {Reason.AUDIT_UNAVAILABLE}" if self.fault.refuses else ""
        self.failures += first([one for one in self._good.failures if one != expected])


ROW = Row(
    id="F5",
    title="the audit is full, read-only, deleted, rotated, stalled, killed in mid-write; deny and continue",
    promise="0 allowed requests without a record, 0 unexplained gaps in a chain, recovers by itself",
    full=60_000,
    sample=600,
    budget=180,
    run=run,
)
