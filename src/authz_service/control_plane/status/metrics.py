"""The sidecar's figures in Prometheus' form.

Names and labels are public: docs/operations.md lists them. Not their gathering.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import product

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from authz_service.control_plane.data_plane.counts import HANDSHAKES
from authz_service.control_protocol import DURATION_BUCKETS_US, CountersDelta
from authz_service.domain.refusals import Reason

_BOUNDS = [str(bound / 1_000_000) for bound in DURATION_BUCKETS_US] + ["+Inf"]


# Every label value from the beginning: `increase()` does not see a counter that begins at 1.
_NO_DECISIONS = {("allow" if reason is Reason.ALLOWED else "deny", reason.value): 0 for reason in Reason}
_NONE_ENDED = dict.fromkeys((reason.value for reason in Reason if reason is not Reason.ALLOWED), 0)
_NO_INTROSPECTIONS = dict.fromkeys(("active", "inactive", "failed"), 0)
_NO_HANDSHAKES = dict.fromkeys(HANDSHAKES.values(), 0)
_NO_COPIES = dict.fromkeys(("delivered", "lost"), 0)
_NO_CANDIDATE = dict.fromkeys(("alike", "gained", "lost", "other", "skipped"), 0)
_NO_RELOADS = dict.fromkeys(product(("configuration", "certificates", "denylist", "bundle"), ("ok", "refused")), 0)


@dataclass(slots=True)
class Gauge:
    """One present value; `labels` in the order of the family's label names."""

    name: str
    help: str
    label: str  # "" = no label
    values: dict[str, float]


@dataclass(slots=True)
class Counters:
    """Totals since the control plane started; workers come and go, these stay."""

    decisions: Counter[tuple[str, str]] = field(default_factory=lambda: Counter(_NO_DECISIONS))
    buckets: list[int] = field(default_factory=lambda: [0] * len(_BOUNDS))
    duration_us: int = 0
    audit_failures: int = 0
    foreign: int = 0  # times that Envoy ran what we did not write
    ended: Counter[str] = field(default_factory=lambda: Counter(_NONE_ENDED))  # by reason
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


class Metrics(Collector):
    """Collects when scraped: totals from `counters`, present values from `gauges()`."""

    def __init__(
        self, counters: Counters, gauges: Callable[[], list[Gauge]], more: Callable[[], dict[str, float]]
    ) -> None:
        self._counters = counters
        self._gauges = gauges
        self._more = more
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def text(self) -> str:
        """Prometheus' text exposition format 0.0.4."""
        return generate_latest(self._registry).decode()

    def collect(self) -> Iterator[Metric]:
        counters = self._counters
        yield _counter_family(
            "authz_decisions",
            "Decisions, by what was decided and why.",
            ("decision", "reason"),
            counters.decisions.items(),
        )
        total, cumulative = 0, []
        for bound, count in zip(_BOUNDS, counters.buckets, strict=True):
            total += count
            cumulative.append((bound, float(total)))
        durations = HistogramMetricFamily("authz_decision_duration_seconds", "Time of one decision in a worker.")
        durations.add_metric((), cumulative, counters.duration_us / 1_000_000)
        yield durations
        yield _one_counter("authz_audit_failures", "Audit records that could not be written.", counters.audit_failures)
        for name, text, label, values in (
            ("authz_requests_ended", "Requests in progress that were ended, by why.", "reason", counters.ended),
            ("authz_introspections", "Questions whether a token is active.", "result", counters.introspections),
            ("authz_handshake_failures", "TLS handshakes at the ingress that failed.", "reason", counters.handshakes),
            ("authz_lookup_failures", "Times that DNS did not answer a name.", "cluster", counters.lookups),
            ("authz_opa_decision_log_events", "Copies of audit records in OPA's format.", "result", counters.copies),
            ("authz_candidate_verdicts", "What the candidate policy would change.", "result", counters.candidate),
        ):
            yield _counter_family(name, text, (label,), [((value,), count) for value, count in values.items()])
        yield _counter_family(
            "authz_token_exchanges",
            "Exchanges of users' tokens for a target's.",
            ("target", "result"),
            counters.exchanges.items(),
        )
        yield _counter_family(
            "authz_reloads",
            "Changes of files that were taken over or refused.",
            ("what", "result"),
            counters.reloads.items(),
        )
        for name, value in self._more().items():
            yield _one_counter(name, name.replace("_", " "), value)
        for gauge in self._gauges():
            family = GaugeMetricFamily(gauge.name, gauge.help, labels=(gauge.label,) if gauge.label else ())
            for label, value in gauge.values.items():
                family.add_metric((label,) if gauge.label else (), value)
            yield family


def _counter_family(
    name: str, text: str, labels: tuple[str, ...], values: Iterable[tuple[tuple[str, ...], float]]
) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=labels)
    for values_of_labels, value in list(values):
        family.add_metric(values_of_labels, value)
    return family


def _one_counter(name: str, text: str, value: float) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text)
    family.add_metric((), value)
    return family
