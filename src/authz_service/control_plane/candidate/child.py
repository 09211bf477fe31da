"""The process in which the candidate policy decides: behind walls, with nothing to lose. Started by `keeper`.

It reads lines of JSON and answers each with one; it knows no secret, and nothing waits for it.
"""

from __future__ import annotations

import os
import resource
import sys

import msgspec

from authz_rego.at_hand import bring_everything
from authz_rego.values.json_text import from_json
from authz_service.audit.record import CANDIDATE, AuditRecord, bounded_line
from authz_service.control_plane.candidate.messages import (
    ALIKE,
    GAINED,
    LOST,
    OTHER,
    SKIPPED,
    Batch,
    Outcome,
    Outcomes,
    Setup,
)
from authz_service.control_protocol import Copy
from authz_service.domain.decision import Verdict
from authz_service.domain.refusals import OF_THE_POLICY, Reason
from authz_service.domain.sampling import is_sampled
from authz_service.policy.decide.engine import PolicyEngine
from authz_service.policy.decide.time_limit import TimeLimit, TooLong
from authz_service.walls.raising import around_worker, leave_root

MEMORY_BYTES = 512 << 20
_NICENESS = 10  # the workers come first

_TIMEOUT = Verdict(Reason.POLICY_TIMEOUT, (), None)
_read_setup = msgspec.json.Decoder(Setup).decode
_read_batch = msgspec.json.Decoder(Batch).decode
_read_record = msgspec.json.Decoder(AuditRecord).decode


class Judge:
    """The candidate, asked again what was decided."""

    def __init__(self, setup: Setup) -> None:
        self._engine = PolicyEngine(setup.source)
        self._limit, self._budget, self._percent = TimeLimit(), setup.budget, setup.percent

    def outcome(self, copy: Copy) -> Outcome:
        try:
            record, document = _read_record(copy.record), from_json(bytes(copy.input))
        except (msgspec.MsgspecError, ValueError):
            return Outcome(SKIPPED)
        known = record.reason in OF_THE_POLICY and type(document) is dict and copy.rule != ""
        if not known or record.truncated or not is_sampled(record.decision_id, self._percent):
            return Outcome(SKIPPED)
        try:
            with self._limit.of(self._budget):
                verdict = self._engine.evaluate(document)
        except TooLong:
            verdict = _TIMEOUT
        result = _compared(record.reason, verdict.reason)
        return Outcome(result) if result == ALIKE else Outcome(result, _line(record, verdict))


def _compared(was: str, becomes: Reason) -> str:
    if becomes == was:
        return ALIKE
    return GAINED if becomes is Reason.ALLOWED else LOST if was == Reason.ALLOWED else OTHER


def _line(record: AuditRecord, verdict: Verdict) -> str:
    """The decision's record with the candidate's verdict in place of the other one."""
    record.event, record.level = CANDIDATE, "info"
    record.decision = "allow" if verdict.reason is Reason.ALLOWED else "deny"
    record.reason, record.reasons, record.policy_audit = verdict.reason.value, verdict.reasons, verdict.audit
    record.shadow = False
    return bounded_line(record).decode()


def main() -> None:
    for limit, value in ((resource.RLIMIT_DATA, MEMORY_BYTES), (resource.RLIMIT_CORE, 0)):
        resource.setrlimit(limit, (value, value))
    os.nice(_NICENESS)
    setup = _read_setup(sys.stdin.buffer.readline())
    bring_everything()
    judge = Judge(setup)
    leave_root()
    around_worker()
    _say(Outcomes())
    for line in sys.stdin.buffer:
        try:
            _say(Outcomes([judge.outcome(copy) for copy in _read_batch(line).copies]))
        except MemoryError:
            os.abort()  # what is left of us is not to be relied on


def _say(outcomes: Outcomes) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(outcomes) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
