"""The sidecar's figures in Prometheus' form.

Names and labels are public: docs/operations.md lists them. Not their gathering.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from authz_service.control_plane.counters import BOUNDS, Counters
from authz_service.control_plane.part import Gauge


class Metrics(Collector):
    """Collects when scraped: totals from `counters`, present values from `gauges()`."""

    def __init__(
        self, counters: Counters, gauges: Callable[[], Iterable[Gauge]], more: Callable[[], dict[str, float]]
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
            "authz_decisions", "Decisions, by what was decided and why.", ("decision", "reason"), counters.decisions
        )
        total, cumulative = 0, []
        for bound, count in zip(BOUNDS, counters.buckets, strict=True):
            total += count
            cumulative.append((bound, float(total)))
        durations = HistogramMetricFamily("authz_decision_duration_seconds", "Time of one decision in a worker.")
        durations.add_metric((), cumulative, counters.duration_us / 1_000_000)
        yield durations
        yield _one_counter("authz_audit_failures", "Audit records that could not be written.", counters.audit_failures)
        for name, text, label, values in (
            ("authz_requests_ended", "Requests in progress that were ended, by why.", "reason", counters.ended),
            ("authz_decisions_memory", "Decisions that repeated one, or why not.", "outcome", counters.memory),
            ("authz_introspections", "Questions whether a token is active.", "result", counters.introspections),
            ("authz_handshake_failures", "TLS handshakes at the ingress that failed.", "reason", counters.handshakes),
            ("authz_lookup_failures", "Times that DNS did not answer a name.", "cluster", counters.lookups),
            ("authz_opa_decision_log_events", "Copies of audit records in OPA's format.", "result", counters.copies),
            ("authz_candidate_verdicts", "What the candidate policy would change.", "result", counters.candidate),
        ):
            yield _counter_family(name, text, (label,), {(value,): count for value, count in values.items()})
        yield _counter_family(
            "authz_token_exchanges",
            "Exchanges of users' tokens for a target's.",
            ("target", "result"),
            counters.exchanges,
        )
        yield _counter_family(
            "authz_reloads", "Changes of files that were taken over or refused.", ("what", "result"), counters.reloads
        )
        for name, value in self._more().items():
            yield _one_counter(name, name.replace("_", " "), value)
        families: dict[str, GaugeMetricFamily] = {}
        for gauge in self._gauges():
            labels = (gauge.label,) if gauge.label else ()
            family = families.setdefault(gauge.name, GaugeMetricFamily(gauge.name, gauge.help, labels=labels))
            for label, value in gauge.values.items():
                family.add_metric((label,) if gauge.label else (), value)
        yield from families.values()


def _counter_family(
    name: str, text: str, labels: tuple[str, ...], values: Mapping[tuple[str, str], float] | Mapping[tuple[str], float]
) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=labels)
    for values_of_labels, value in list(values.items()):
        family.add_metric(values_of_labels, value)
    return family


def _one_counter(name: str, text: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(name, text, value)
