"""F3: twenty identity providers that are wrong in twenty ways, all at once, for one sidecar that needs them all.

Each case is an issuer of its own on the ingress and a target with a token of its own on the egress.
"""

from __future__ import annotations

import json
import time
from contextlib import ExitStack

from tests.faults.broken_idp import CASES, BrokenIdp, configuration
from tests.faults.ground import Waits
from tests.support.echo_service import EchoService
from tests.support.live import Live
from tests.support.lone_sidecar import LoneSidecar
from tests.support.neighbours import Answer
from tests.support.patience import PATIENCE
from tests.support.target_service import target_service
from tests.torture.row import Outcome, Progress, Row

from authz_service.domain.refusals import Reason

_SLACK = 2.0  # seconds between the end of a token and a look at it, on a busy machine
_ROTATION_KNOWN = 5.0 + _SLACK  # seconds of cool-down between two fetches of keys


async def run(live: Live, size: int, progress: Progress) -> Outcome:
    address = live.free_address()
    lifetime = 5 + size // 4  # seconds of a token; with many of them the provider is busy
    with ExitStack() as stack:
        target = stack.enter_context(target_service(live))
        idps = [stack.enter_context(BrokenIdp(live, case, n, address, lifetime)) for n, case in enumerate(CASES[:size])]
        trial = Trial(idps, target)

        def configure(sidecar: LoneSidecar) -> None:
            sidecar.write_config(configuration(sidecar.config, idps, address, live))

        trial.sidecar = stack.enter_context(LoneSidecar(live, target=target.place, prepare=configure))
        trial.must_be_good("before")
        for idp in idps:
            idp.break_it()
        trial.remember_tokens_in_hand()
        trial.look_while_broken(lifetime + 8.0)  # all are dead by then, and a request has timed out
        progress(size // 2)
        for idp in idps:
            idp.heal()
        trial.look_at_recovery()
        trial.must_be_good("afterwards")
        progress(len(idps))
        failures = [*trial.failures, *trial.recovered.never]
        failures += [
            f"{idp.case.name}: {idp.most_in_flight} requests at once" for idp in idps if idp.most_in_flight > 1
        ]
        figures: dict[str, str | int | float] = {
            "requests while broken": trial.asked,
            "503 without a token": trial.refused,
            "recovered after": trial.recovered.figure,
        }
    return Outcome(len(idps), failures, trial.recovered.deviations("keys or token were there again"), figures)


class Trial:
    """What each case is asked, and what must come of it."""

    sidecar: LoneSidecar

    def __init__(self, idps: list[BrokenIdp], target: EchoService) -> None:
        self.failures: list[str] = []
        self.recovered = Waits(promised=5.0)
        self.asked = self.refused = 0
        self._idps, self._target = idps, target
        self._ends: dict[str, float] = {}  # target -> until when its token serves, at least
        self._users = {idp.number: [idp.user_token(0), idp.user_token(1)] for idp in idps}

    def must_be_good(self, when: str) -> None:
        """In both directions. The rotated issuer's users come with the key of the time."""
        for idp in self._idps:
            key = 1 if idp.case.rotates and when == "afterwards" else 0
            incoming, outgoing = self._incoming(idp, key), self._outgoing(idp)
            if (incoming.status, outgoing.status) != (200, 200):
                self.failures.append(f"{idp.case.name} {when}: {incoming.status} in, {outgoing.status} out")

    def remember_tokens_in_hand(self) -> None:
        """By the sidecar's own word, which must not go beyond the provider's."""
        for state in json.loads(self.sidecar.admin("/tokens").body)["tokens"]:
            [name] = state["targets"]
            self._ends[name] = state["expires_at"]
        for idp in self._idps:
            if idp.issued and self._ends[idp.target] > max(idp.issued.values()) + 0.1:
                self.failures.append(f"{idp.case.name}: a token is kept longer than it lives")

    def look_while_broken(self, seconds: float) -> None:
        begun = time.monotonic()
        while (elapsed := time.monotonic() - begun) < seconds:
            for idp in self._idps:
                self._look_at_ingress(idp, elapsed)
                self._look_at_egress(idp, elapsed)
                self.asked += 2
        missing = [idp.case.name for idp in self._idps if not idp.case.tokens_go_on and not self._told(idp)]
        self.failures += [f"{name}: /tokens does not tell" for name in missing]

    def look_at_recovery(self) -> None:
        begun, waiting = time.monotonic(), list(self._idps)
        while waiting and time.monotonic() - begun < PATIENCE:
            served = [idp for idp in waiting if self._outgoing(idp).status == 200]
            self.recovered.seconds += [time.monotonic() - begun] * len(served)
            waiting = [idp for idp in waiting if idp not in served]
        self.recovered.never += [f"{idp.case.name}: no token again" for idp in waiting]

    def _look_at_ingress(self, idp: BrokenIdp, elapsed: float) -> None:
        """Keys in hand serve for as long as it takes; withdrawn ones end, and new ones are learnt."""
        if not idp.case.rotates:
            if (answer := self._incoming(idp, 0)).status != 200:
                self.failures.append(f"{idp.case.name} after {elapsed:.1f} s: the ingress answers {answer.status}")
            return
        new = self._incoming(idp, 1).status
        if elapsed > _ROTATION_KNOWN and (new, self._incoming(idp, 0).status) != (200, 401):
            self.failures.append(
                f"{idp.case.name} after {elapsed:.1f} s: the new key gets {new}, or the old one passes"
            )

    def _look_at_egress(self, idp: BrokenIdp, elapsed: float) -> None:
        """A token in hand serves until it ends; then 503, and nothing reaches the target."""
        before = len(self._target.seen)
        asked_at = time.time()
        answer = self._outgoing(idp)
        if answer.status == 200:
            self._look_at_token(idp, asked_at)
        elif (answer.status, answer.problem["reason"]) == (503, Reason.EGRESS_TOKEN_UNAVAILABLE):
            self.refused += 1
            if idp.case.tokens_go_on or asked_at < self._ends[idp.target] - 0.1:
                self.failures.append(f"{idp.case.name} after {elapsed:.1f} s: refused with a valid token in hand")
            if len(self._target.seen) > before:
                self.failures.append(f"{idp.case.name}: refused, but the target got the request")
        else:
            self.failures.append(f"{idp.case.name} after {elapsed:.1f} s: the egress answers {answer.status}")

    def _look_at_token(self, idp: BrokenIdp, asked_at: float) -> None:
        [value] = self._target.seen[-1].values("authorization") or [""]
        token = value.removeprefix("Bearer ")
        if token == "without-a-lifetime":
            return  # it lives a minute, by our own word
        if asked_at > idp.issued.get(token, 0.0) + _SLACK:
            self.failures.append(f"{idp.case.name}: the target got {token or 'no token'}, which is not valid")

    def _incoming(self, idp: BrokenIdp, generation: int) -> Answer:
        return self.sidecar.call("GET", "/orders/1", token=self._users[idp.number][generation])

    def _outgoing(self, idp: BrokenIdp) -> Answer:
        return self.sidecar.call_egress("GET", f"/case-{idp.number}/x")

    def _told(self, idp: BrokenIdp) -> bool:
        states = json.loads(self.sidecar.admin("/tokens").body)["tokens"]
        return any(state["targets"] == [idp.target] and state["last_error"] for state in states)


ROW = Row(
    id="F3",
    title="the identity provider is down, slow or wrong",
    promise="what is cached serves while it is valid, 1 request in flight, 0 without a token, it recovers",
    full=len(CASES),
    sample=4,
    budget=60,
    run=run,
)
