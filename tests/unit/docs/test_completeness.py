"""What users rely on is described, and what is described exists: reasons, figures, fields, events, dependencies."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import get_type_hints

import pytest
from tests.support.decisions import rules
from tests.unit.docs.pages import ROOT, code_words, first_cells, prose, read, section

from authz_service import headers
from authz_service.audit import seal
from authz_service.audit.chain import Head
from authz_service.audit.opa_event import KEPT_CLAIMS, OpaEvent
from authz_service.audit.record import AuditRecord, GapRecord
from authz_service.config.loader import load_config
from authz_service.control_plane.counters import Counters
from authz_service.control_plane.events import Events
from authz_service.control_plane.reload.rollout import Rollout
from authz_service.control_plane.snapshot import Snapshot
from authz_service.control_plane.state_dir import StateDirectory
from authz_service.control_plane.status.readiness import Lifecycle, Status
from authz_service.credentials.token_refresher import TokenState
from authz_service.domain.refusals import ANSWERS, Reason
from authz_service.envoy.paths import StatePaths
from authz_service.envoy.resources import render
from authz_service.logs import Fields, Texts
from authz_service.trust.issuer_keys import KeyState

PROJECT = tomllib.loads(read("pyproject.toml"))["project"]
OPERATIONS = read("docs/operations.md")
AUDIT = read("docs/audit.md")
REASONS = read("docs/reasons.md")
_LEVELS = {"debug", "info", "warning", "error", "exception"}


def test_every_reason_has_its_section_in_the_order_of_the_code() -> None:
    """And no section is about a reason that does not exist."""
    assert re.findall(r"^## `(\w+)`$", prose(REASONS), re.MULTILINE) == [reason.value for reason in Reason]


@pytest.mark.parametrize("reason", Reason)
def test_a_reasons_section_says_its_status_its_meaning_and_who_acts(reason: Reason) -> None:
    """The status is the one that is sent."""
    text = section(REASONS, f"## `{reason}`")

    assert f"* **Status** {ANSWERS[reason].status}" in text
    assert "* **Means** " in text
    assert "* **Act** " in text


def test_every_field_of_the_audit_record_is_described_in_its_order() -> None:
    """The table and the struct are one list."""
    table = section(AUDIT, "## Audit record")

    assert [cell.strip("`") for cell in first_cells(table)] == [*AuditRecord.__struct_fields__, *seal.FIELDS]


def test_every_member_of_an_event_in_opas_format_is_described() -> None:
    """And each claim that may be in it."""
    told = section(AUDIT, "## Copies in OPA's format")

    described = [word for cell in first_cells(told) for word in code_words(cell)]
    assert sorted(described) == sorted(OpaEvent.__struct_fields__)
    (claims,) = re.findall(r"every claim but\n(.*?)\. The path", told, re.DOTALL)
    assert set(code_words(claims)) == KEPT_CLAIMS


def test_every_field_of_the_record_of_a_gap_is_described_in_its_order() -> None:
    """What it has in common with the others is described there."""
    table = section(AUDIT, "## Records of gaps")
    common = {*AuditRecord.__struct_fields__} - {"event", "level"}

    described = [cell.strip("`") for cell in first_cells(table)]
    assert described == [name for name in GapRecord.__struct_fields__ if name not in common]


KEYS = KeyState("https://idp", ready=True, stale=False, count=1, age=1.0, next_refresh_at=0, last_error="", failures=0)
TOKEN = TokenState(("data",), "fresh", "https://idp", "order", (), 1.0, 2.0, 1.5, "", 0)


def _metrics() -> dict[str, tuple[str, set[str]]]:
    """Name as scraped -> (type, labels), of a sidecar in which everything has happened once."""
    config = load_config(ROOT / "examples/three_zones/order-service/config.yaml", {}, anywhere=True)
    snapshot = Snapshot(config, rules(), render(config, StatePaths(Path("unused"))), "r1")
    counters = Counters()
    rollout = Rollout(snapshot, StateDirectory(Path("unused")), counters, Events())
    rollout.certificates.expires["server"] = rollout.certificates.near_ends["server"] = 2.0
    rollout.issuers._states = lambda: [KEYS]  # type: ignore[method-assign]
    rollout.target_tokens.states = lambda: [TOKEN]  # type: ignore[method-assign]
    counters.decisions["allow", "allowed"] = 1
    counters.reloads["configuration", "ok"] = 1
    counters.introspections["active"] = 1
    counters.exchanges["data-service", "exchanged"] = 1
    counters.copies["delivered"] = 1
    counters.lookups["target_data"] = 1
    counters.ended["token_expired"] = 1
    parts = (
        rollout,
        rollout.certificates,
        rollout.denylist,
        rollout.issuers,
        rollout.target_tokens,
        rollout.decision_cache,
    )
    heads = [Head("0123456789ab-0", 1, "0" * 32)]
    status = Status(Lifecycle(), rollout, parts, counters, lambda: heads, lambda: 0)
    found = {}
    for family in status.metrics().collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        found[name] = (family.type, {label for sample in family.samples for label in sample.labels} - {"le"})
    return found


def test_every_metric_is_described_with_its_type_and_labels() -> None:
    """And no other is."""
    described = {}
    for row in section(OPERATIONS, "## Metrics").splitlines():
        if row.startswith("| `"):
            name, kind, labels, *_ = (cell.strip() for cell in row.strip("|").split("|"))
            described[name.strip("`")] = (kind, set(code_words(labels)))

    assert described == _metrics()


def test_every_metric_in_an_alarm_exists() -> None:
    """An alarm on a misspelt name never rings."""
    rules = section(OPERATIONS, "### Alarms worth having")

    assert set(re.findall(r"authz_\w+", rules)) <= set(_metrics())


def _events(file: Path) -> Iterator[str]:
    source = file.read_text("utf-8")
    if "log." not in source and "event = " not in source:
        return  # to take apart each file is slow
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="log" | "_log"), attr=level), args=[first, *_]):
                if level in _LEVELS and isinstance(first, ast.Constant):
                    yield str(first.value)
            case ast.Assign(targets=[ast.Name(id="event")], value=ast.Constant(value=str(event))):
                yield event


def test_every_log_event_is_described() -> None:
    """In the table of docs/operations.md, and nothing else is there."""
    written = {event for file in (ROOT / "src/authz_service").rglob("*.py") for event in _events(file)}
    described = [word for cell in first_cells(section(OPERATIONS, "## Log")) for word in code_words(cell)]

    assert set(described) == written
    assert len(described) == len(set(described))


def test_the_types_of_the_logs_fields_are_told() -> None:
    """All that are no text."""
    hints = get_type_hints(Fields)
    told = dict(
        re.findall(
            r"^\* (numbers|lists of texts|`true` or `false`): (.*)[;.]$", section(OPERATIONS, "## Log"), re.MULTILINE
        )
    )

    for words, kinds in (("numbers", {int, float}), ("lists of texts", {Texts}), ("`true` or `false`", {bool})):
        assert code_words(told[words]) == [name for name, kind in hints.items() if kind in kinds]


def _required(names: list[str]) -> list[str]:
    return [re.split(r"[\[<>=,~! ]", name, maxsplit=1)[0] for name in names]


@pytest.mark.parametrize(
    ("heading", "wanted"),
    [
        ("## The product", PROJECT["dependencies"]),
        ("## The development kit", read("devkit/packages.in").split()),
        ("## Tools for developers", PROJECT["optional-dependencies"]["dev"]),
    ],
)
def test_every_dependency_has_its_sentence(heading: str, wanted: list[str]) -> None:
    """And no sentence is about one that is gone."""
    told = re.findall(r"^\* `([^`]+)`: \w.+", section(read("docs/decisions/dependencies.md"), heading), re.MULTILINE)

    assert sorted(told, key=str.lower) == sorted(_required(wanted), key=str.lower)


def test_a_license_is_there_and_named() -> None:
    assert "Apache License" in read("LICENSE")
    assert "Apache-2.0" in read("README.md")


def test_every_header_that_is_removed_is_in_the_contract() -> None:
    """What a caller's header meets is said, header by header."""
    contract = section(read("docs/security.md"), "## Header contract").lower()
    named = {word.rstrip("*") for word in code_words(contract)}

    assert named >= {
        *headers.STRIPPED,
        *headers.STRIPPED_PREFIXES,
        *headers.CERTIFICATE_PREFIXES,
        headers.CORRELATION_ID,
        headers.USER_CONTEXT,
    }
