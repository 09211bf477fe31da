"""Keycloak itself says what is recorded of it: the record that the development provider is held to is true."""

from __future__ import annotations

import json
import os
from pathlib import Path

import httpx
import pytest
from tests.support.exchange_ground import import_realm
from tests.support.live import Live
from tests.support.provider_facts import GOLDEN, Json, gather_facts

from authz_devkit.demo.mesh import at_address
from authz_devkit.keycloak.distribution import VERSION

ODD_REALMS = Path(__file__).parents[1] / "support" / "realms"


@pytest.fixture(scope="module")
def facts(live: Live) -> Json:
    """What this Keycloak says; `UPDATE_GOLDEN=1` records it."""
    for file in sorted(ODD_REALMS.glob("*.json")):
        import_realm(live, file)
    with httpx.Client(verify=live.identity_tls, trust_env=False, timeout=30) as http:
        found = gather_facts(live.mesh.identity_url, lambda request: http.send(at_address(request, live.mesh.hosts)))
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(json.dumps({"version": VERSION, "facts": found}, indent=1, ensure_ascii=False) + "\n")
    return found


def test_the_record_is_of_this_release() -> None:
    """A new release is recorded anew, and the development provider mended."""
    assert json.loads(GOLDEN.read_text())["version"] == VERSION


def test_keycloak_says_what_is_recorded(facts: Json) -> None:
    recorded = json.loads(GOLDEN.read_text())["facts"]

    assert facts.keys() == recorded.keys()
    assert {name: fact for name, fact in facts.items() if fact != recorded[name]} == {}
