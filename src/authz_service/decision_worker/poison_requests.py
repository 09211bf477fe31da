"""Questions that ended a worker are not tried again for some seconds, and each is on record. Not how they are noticed.

A question is the same when the policy sees the same: whoever asks it again, in whatever words the policy does not
read, is refused at once and costs no other worker.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from hashlib import blake2b
from zlib import crc32

from authz_rego.values.json_text import to_json
from authz_rego.values.value import Value
from authz_service.decision_worker.in_flight import UNKNOWN, Ending, Filed, InFlight
from authz_service.domain.decision import NO_CLAIMS, NO_PEER, Decision, Deny, Request, Verdict
from authz_service.domain.questions import NotReady
from authz_service.domain.refusals import Reason
from authz_service.domain.time_budget import RETRIES_ARE_OVER
from authz_service.ingress.gate import Gate
from authz_service.policy.decide.reads import Reads, seen

_VERDICTS = {
    Ending.LOST: Verdict(Reason.DECISION_UNAVAILABLE, ("its worker was killed, and nobody asked again",), None),
    Ending.TIMED_OUT: Verdict(Reason.POLICY_TIMEOUT, ("this input used up an evaluation's processor time",), None),
    Ending.CRASHED: Verdict(Reason.DECISION_FAILED, ("this input ended the worker that evaluated it",), None),
}
_UNTRIED = Verdict(Reason.ALLOWED, (), None)
_NOT_ASKED = b"\xff" * len(UNKNOWN)  # the gate refuses before the policy


class PoisonRequests:
    """Of one revision of the rules: another policy may well answer."""

    def __init__(self, gate: Gate, in_flight: InFlight) -> None:
        self._in_flight = in_flight
        self.mark = crc32(gate.rules.revision.encode())
        self._policy = _PolicyStandIn(None if gate.policy is None else gate.policy.reads)
        self._gate = gate if gate.policy is None else gate.with_policy(self._policy)

    def standing(self, request: Request) -> tuple[int, bool] | None:
        """The slot of a worker at whose question the policy sees the same, and whether it is this very one."""
        digest = None
        for slot, other in self._in_flight.standing():
            if other == request:
                return slot, True
            digest = digest or self._digest(request)
            if digest != _NOT_ASKED and digest == self._digest(other):
                return slot, False
        return None

    def find(self, request: Request) -> Decision | None:
        """The decision on a question that is known to end its worker; None: it may be tried. Raises NotReady."""
        filed = self._in_flight.filed()
        if not filed:
            return None
        guilty = [each for each in filed if each.ending is not Ending.LOST and each.mark == self.mark]
        for each in guilty:
            if each.digest == UNKNOWN:
                each.know(_NOT_ASKED)  # if looking at it ends us too, nobody else looks
                each.know(self._digest(each.request))
        self._policy.guilty = guilty
        # Ids of its own would make each question another one.
        decision = self._gate.decide(request, "", "")
        for each in filed:
            if not each.is_answered and each.is_of(request):
                each.set_answered()
        return decision if decision.verdict in _VERDICTS.values() else None

    def unanswered(self) -> Iterator[tuple[Request, Decision]]:
        """What our predecessors left behind and nobody asked again: each once, to be recorded."""
        asked_again_until = self._in_flight.now() - RETRIES_ARE_OVER
        for each in self._in_flight.filed():
            if each.slot == self._in_flight.slot and not each.is_answered and each.at < asked_again_until:
                each.set_answered()
                request, verdict = each.request, _VERDICTS[each.ending]
                peer, claims = NO_PEER, NO_CLAIMS
                with suppress(NotReady):
                    decision = self._gate.decide(request, "", "")
                    peer, claims = decision.peer, decision.claims
                yield request, Deny(verdict.reason, "", peer, claims, verdict)

    def _digest(self, request: Request) -> bytes:
        """Of what the policy would see; _NOT_ASKED when the gate refuses before it, or cannot tell now."""
        self._policy.guilty, self._policy.digest = (), _NOT_ASKED
        with suppress(NotReady):
            self._gate.decide(request, "", "")
        return self._policy.digest


class _PolicyStandIn:
    """In the policy's place: compares what the policy would see, and evaluates nothing."""

    def __init__(self, reads: Reads) -> None:
        self.reads = reads
        self.digest = _NOT_ASKED
        self.guilty: Sequence[Filed] = ()

    def evaluate(self, document: Value) -> Verdict:
        what = to_json(seen(document, self.reads)).encode()
        self.digest = blake2b(what, digest_size=len(UNKNOWN)).digest()
        for each in self.guilty:
            if each.digest == self.digest:
                return _VERDICTS[each.ending]
        return _UNTRIED
