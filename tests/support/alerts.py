"""deploy/observability as it is read by others: rules, and the questions of the dashboard."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "observability"
RULES: list[dict[str, Any]] = yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"][0]["rules"]
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "dashboard.json").read_text())
_METRIC = re.compile(r"\b(?:authz|envoy)_\w+")


def questions() -> Iterator[tuple[str, str]]:
    """Title and expression, with Grafana's variables filled in."""
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", []):
            filled = target["expr"].replace("$__rate_interval", "1m")
            yield panel["title"], re.sub(r"\$(job|instance)\b", ".*", filled)


def metrics(expression: str) -> set[str]:
    """Names, not labels: what stands in braces, and behind `by`, is none."""
    without = re.sub(r"\{[^}]*\}|\bby \([^)]*\)", "", expression)
    return set(_METRIC.findall(without))
