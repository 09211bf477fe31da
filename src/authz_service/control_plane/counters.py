"""What happened since the control plane started, counted. Not how it is shown (`status.metrics`)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import product

from authz_service.control_plane.data_plane.counts import HANDSHAKES
from authz_service.control_protocol import DURATION_BUCKETS_US, MEMORY, CountersDelta
from authz_service.domain.refusals import Reason

BOUNDS = [str(bound / 1_000_000) for bound in DURATION_BUCKETS_US] + ["+Inf"]


# Every label value from the beginning: `increase()` does not see a counter that begins at 1.
_NO_DECISIONS = {("allow" if reason is Reason.ALLOWED else "deny", reason.value): 0 for reason in Reason}
_NONE_ENDED = dict.fromkeys((reason.value for reason in Reason if reason is not Reason.ALLOWED), 0)
_NONE_REPEATED = dict.fromkeys(MEMORY, 0)
_NO_INTROSPECTIONS = dict.fromkeys(("active", "inactive", "failed"), 0)
_NO_HANDSHAKES = dict.fromkeys(HANDSHAKES.values(), 0)
_NO_COPIES = dict.fromkeys(("delivered", "lost"), 0)
_NO_CANDIDATE = dict.fromkeys(("alike", "gained", "lost", "other", "skipped"), 0)
_NO_RELOADS = dict.fromkeys(product(("configuration", "certificates", "denylist", "bundle"), ("ok", "refused")), 0)


@dataclass(slots=True)
class Counters:
    """Totals since the control plane started; workers come and go, these stay."""

    decisions: Counter[tuple[str, str]] = field(default_factory=lambda: Counter(_NO_DECISIONS))
    buckets: list[int] = field(default_factory=lambda: [0] * len(BOUNDS))
    duration_us: int = 0
    audit_failures: int = 0
    foreign: int = 0  # times that Envoy ran what we did not write
    ended: Counter[str] = field(default_factory=lambda: Counter(_NONE_ENDED))  # by reason
    memory: Counter[str] = field(default_factory=lambda: Counter(_NONE_REPEATED))  # decisions, by MEMORY
    introspections: Counter[str] = field(default_factory=lambda: Counter(_NO_INTROSPECTIONS))  # by result
    exchanges: Counter[tuple[str, str]] = field(default_factory=Counter)  # (target, result)
    handshakes: Counter[str] = field(default_factory=lambda: Counter(_NO_HANDSHAKES))  # that failed, by why
    lookups: Counter[str] = field(default_factory=Counter)  # that failed, by cluster
    copies: Counter[str] = field(default_factory=lambda: Counter(_NO_COPIES))
    candidate: Counter[str] = field(default_factory=lambda: Counter(_NO_CANDIDATE))
    reloads: Counter[tuple[str, str]] = field(default_factory=lambda: Counter(_NO_RELOADS))  # (what, result)

    def add(self, delta: CountersDelta) -> None:
        for key, count in delta.decisions.items():
            decision, _, reason = key.partition("|")
            self.decisions[decision, reason] += count
        for index, count in enumerate(delta.buckets[: len(self.buckets)]):
            self.buckets[index] += count
        self.duration_us += delta.duration_us
        self.audit_failures += delta.audit_failures
        self.ended.update(delta.ended)
        self.memory.update(delta.memory)
