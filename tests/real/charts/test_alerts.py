"""The alarms by promtool: each rings where it should, and not beside it. The dashboard asks in PromQL."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.real.charts.test_helm import TOOLS
from tests.support.alerts import FOLDER, RULES, questions

_HOUR = 60  # minutes; the unit of the series below
_SLOW, _FAST = "0+6x1500", "0+6x1440 8640+600x60"  # a day of 0.1 a second; then an hour of 10 a second
# alert: (a series by which it rings at the last minute, one by which it does not, what it is labelled with)
_SERIES: dict[str, tuple[str, str, str]] = {
    "AuthzNotReady": ("authz_ready", "0x10", "1x10"),
    "AuthzFilesRefused": ('authz_reloads_total{result="refused",what="certificates"}', "0 0 1x8", "3x10"),
    "AuthzCertificateEnds": ('authz_certificate_renewal_timestamp_seconds{name="server"}', "60x10", "6000x10"),
    "AuthzAuditStandsStill": ("authz_audit_failures_total", "0x6 1 2 3 4", "7x10"),
    "AuthzAuditGoesBackwards": ('authz_audit_sequence{writer="a-0"}', "90x5 3x5", "1+1x10"),
    "AuthzDecisionLogHasHoles": ('authz_opa_decision_log_events_total{result="lost"}', "0x5 1x5", "5x10"),
    "AuthzKeysGrowOld": ('authz_keys_age_seconds{issuer="https://idp"}', "7000+60x10", "3000x10"),
    "AuthzTokenEnds": ('authz_token_expiry_timestamp_seconds{target="data"}', "610x10", "900x10"),
    "AuthzWorkersDie": ("authz_worker_restarts_total", "0x5 1x5", "4x10"),
    "AuthzEnvoyDies": ("authz_envoy_restarts_total", "0x5 1x5", "4x10"),
    "AuthzEnvoyTampered": ("authz_envoy_foreign_configuration_total", "0x5 1x5", "1x10"),
    "AuthzDegraded": ("authz_degraded", "1x10", "0x8 1x2"),
    "AuthzNameNotResolved": ('authz_lookup_failures_total{cluster="target_data"}', "0+2x10", "0x8 1x2"),
    "AuthzHandshakesFail": ('authz_handshake_failures_total{reason="tls_error"}', _FAST, _SLOW),
    "AuthzLimitsMet": (
        'envoy_http_local_rate_limit_enforced{envoy_local_http_ratelimit_prefix="peer"}',
        "0+9x20",
        "5x20",
    ),
    "AuthzSomebodyTries": ('authz_decisions_total{decision="deny",reason="policy_denied"}', _FAST, _SLOW),
    "AuthzDefect": ('authz_decisions_total{decision="deny",reason="decision_failed"}', "0x5 1x5", "2x10"),
}


def _promtool(*words: object) -> subprocess.CompletedProcess[str]:
    command = [str(TOOLS / "promtool"), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def _labels(series: str) -> dict[str, str]:
    _, _, inside = series.partition("{")
    return dict(pair.replace('"', "").split("=", 1) for pair in inside.rstrip("}").split(",") if pair)


def _case(rule: dict[str, Any], *, rings: bool) -> dict[str, Any]:
    series, bad, good = _SERIES[rule["alert"]]
    values = bad if rings else good
    minutes = 1500 if "1440" in bad else 20 if values.endswith("x20") else 10
    expected = {
        "exp_labels": {**_labels(series), **rule["labels"]},
        "exp_annotations": rule["annotations"],
    }
    asked = {"alertname": rule["alert"], "eval_time": f"{minutes}m", "exp_alerts": [expected] if rings else []}
    return {"interval": "1m", "input_series": [{"series": series, "values": values}], "alert_rule_test": [asked]}


def test_every_alarm_has_its_series() -> None:
    assert [rule["alert"] for rule in RULES] == [*_SERIES]


@pytest.mark.parametrize("rings", [True, False], ids=["rings", "is silent"])
def test_alarms_ring_when_they_should(tmp_path: Path, *, rings: bool) -> None:
    """Of each two series only one rings, by the engine that evaluates them in earnest."""
    file = tmp_path / "tests.yaml"
    tests = [_case(rule, rings=rings) for rule in RULES]
    file.write_text(yaml.safe_dump({"rule_files": [str(FOLDER / "alerts.yaml")], "tests": tests}))
    ended = _promtool("test", "rules", file)

    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_prometheus_takes_rules_and_the_dashboards_questions(tmp_path: Path) -> None:
    """The latter as rules of their own; one that is broken is not taken."""
    rules = [{"record": f"question:{number}", "expr": expression} for number, (_, expression) in enumerate(questions())]
    file = tmp_path / "questions.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    broken = tmp_path / "broken.yaml"
    broken.write_text(file.read_text().replace("sum by (", "sum by ((", 1))

    assert _promtool("check", "rules", FOLDER / "alerts.yaml").returncode == 0
    ended = _promtool("check", "rules", file)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert _promtool("check", "rules", broken).returncode != 0
