"""Every counter is there before its first event: an alarm on `increase()` does not see one that begins at 1."""

import re

from authz_service.control_plane.counters import Counters
from authz_service.control_plane.data_plane.counts import HANDSHAKES
from authz_service.control_plane.part import Gauge
from authz_service.control_plane.status.metrics import Metrics
from authz_service.domain.refusals import Reason


def lines() -> dict[str, float]:
    text = Metrics(Counters(), lambda: [Gauge("authz_ready", "x", "", {"": 1.0})], dict).text()
    return {name: float(value) for name, value in re.findall(r"^(authz_\S+) (\S+)$", text, re.MULTILINE)}


def test_all_label_values_begin_at_zero() -> None:
    found = lines()

    for reason in Reason:
        decision = "allow" if reason is Reason.ALLOWED else "deny"
        assert found[f'authz_decisions_total{{decision="{decision}",reason="{reason}"}}'] == 0
        if reason is not Reason.ALLOWED:
            assert found[f'authz_requests_ended_total{{reason="{reason}"}}'] == 0
    for result in ("active", "inactive", "failed"):
        assert found[f'authz_introspections_total{{result="{result}"}}'] == 0
    for what in ("configuration", "certificates", "denylist", "bundle"):
        assert {found[f'authz_reloads_total{{result="{result}",what="{what}"}}'] for result in ("ok", "refused")} == {0}
    for why in HANDSHAKES.values():
        assert found[f'authz_handshake_failures_total{{reason="{why}"}}'] == 0
    for result in ("delivered", "lost"):
        assert found[f'authz_opa_decision_log_events_total{{result="{result}"}}'] == 0


def test_figures_are_of_one_sidecar() -> None:
    """What one counts, another does not begin with."""
    Counters().decisions["deny", Reason.TOKEN_EXPIRED.value] += 1

    assert Counters().decisions["deny", Reason.TOKEN_EXPIRED.value] == 0
