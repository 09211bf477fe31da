"""The alarms of deploy/observability are those of docs/operations.md, and each leads to what is to be done."""

from __future__ import annotations

import re

import pytest
from tests.support.alerts import DASHBOARD, RULES, metrics, questions
from tests.unit.docs.pages import ROOT, anchors, read, section

TABLE = section(read("docs/operations.md"), "### Alarms worth having")
_ROW = re.compile(r"^\| [^|]+ \| `([^`]+)`(?: for (\d+) m)?(?:[^|]*) \| [^\[|]*\[[^]]+\]\(([^)]*)\)", re.MULTILINE)
_SITE = "https://authz.example.com/"


def test_every_alarm_of_the_page_is_a_rule_and_the_other_way_round() -> None:
    """The same expression, the same time, the same place to read on; in the same order."""
    rows = _ROW.findall(TABLE)
    told = [(rule, f"{minutes}m" if minutes else "", link.rpartition("#")[2]) for rule, minutes, link in rows]
    there = [(each["expr"], each.get("for", ""), _anchor(each["annotations"]["runbook_url"])) for each in RULES]

    degraded = next(index for index, rule in enumerate(RULES) if rule["alert"] == "AuthzDegraded")
    told[degraded] = (*told[degraded][:2], "not-ready")  # the page names several, the rule where /readyz is explained
    assert there == told


def _anchor(url: str) -> str:
    return url.rpartition("#")[2]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_every_alarm_leads_to_a_section_and_says_how_bad_it_is(rule: dict[str, dict[str, str]]) -> None:
    """On the site that `make site` builds of docs/."""
    page, _, anchor = rule["annotations"]["runbook_url"].removeprefix(_SITE).partition("/#")

    assert anchor in anchors(ROOT / "docs" / f"{page}.md")
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert rule["annotations"]["summary"]


def test_the_dashboard_asks_for_metrics_that_are_described() -> None:
    """A panel on a misspelt name stays empty. Envoy's are looked for in a running pod (tests/integration)."""
    described = set(re.findall(r"`(authz_\w+)`", read("docs/operations.md")))
    described |= {f"{name}_bucket" for name in described}
    asked = {name for _, expression in questions() for name in metrics(expression) if name.startswith("authz_")}

    assert asked
    assert asked <= described


def test_the_dashboard_is_laid_out_without_overlaps() -> None:
    """Each panel has its place, and its own number."""
    cells = [
        (row, column)
        for panel in DASHBOARD["panels"]
        for row in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
        for column in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
    ]

    assert len(cells) == len(set(cells))
    assert max(column for _, column in cells) < 24
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
