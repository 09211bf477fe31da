"""What a worker counts, and hands over once."""

from authz_service.control_protocol import DURATION_BUCKETS_US
from authz_service.decision_worker.counters import WorkerCounters
from authz_service.domain.refusals import Reason


def test_it_counts_by_decision_and_reason_and_starts_afresh() -> None:
    counters = WorkerCounters()
    assert counters.take() is None
    for duration in (0, 25, 26, 10**9):
        counters.add(Reason.ALLOWED, duration, allowed=True)
    counters.add(Reason.POLICY_DENIED, 30, allowed=False)
    counters.add_audit_failure("no room")

    figures = counters.take()

    assert figures is not None
    assert figures.decisions == {"allow|allowed": 4, "deny|policy_denied": 1}
    assert (figures.buckets[0], figures.buckets[1], figures.buckets[-1]) == (2, 2, 1)
    assert len(figures.buckets) == len(DURATION_BUCKETS_US) + 1
    assert figures.duration_us == 51 + 10**9 + 30
    assert figures.audit_failures == 1
    assert counters.take() is None
    assert counters.audit_error == ""
