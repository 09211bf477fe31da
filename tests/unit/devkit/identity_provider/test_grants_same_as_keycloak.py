"""The development provider says what Keycloak says, claim by claim and error by error, to every question of the list.

What Keycloak says was recorded from it (`tests/keycloak/test_provider_facts.py`, by `make test-keycloak`).
"""

from __future__ import annotations

import asyncio
import copy
import json
import shutil
from pathlib import Path

import httpx
import pytest
from tests.support.provider_facts import GOLDEN, Json, differences, gather_facts

from authz_devkit.identity_provider.app import build_app
from authz_realm.realm import load_realms

REALMS = (Path(__file__).parents[4] / "examples/three_zones/realms", Path(__file__).parents[3] / "support/realms")
URL = "https://keycloak.example.com:8443"


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Json:
    folder = tmp_path_factory.mktemp("realms")
    for file in (file for place in REALMS for file in place.glob("*.json")):
        shutil.copy(file, folder)
    app = build_app(load_realms(folder), URL)

    async def send(request: httpx.Request) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
            return await client.send(request)

    return gather_facts(URL, lambda request: asyncio.run(send(request)))


@pytest.fixture
def keycloaks() -> Json:
    found: Json = json.loads(GOLDEN.read_text())["facts"]
    return found


def test_nothing_differs(keycloaks: Json, ours: Json) -> None:
    assert differences(keycloaks, ours) == []


@pytest.mark.parametrize(
    ("question", "change"),
    [
        ("password", lambda body: body["access_token"]["claims"].pop("azp")),
        ("password", lambda body: body["access_token"]["claims"].update(more="x")),
        ("service: wrong secret", lambda body: body.update(error="invalid_client")),
        ("discovery", lambda body: body["grant_types_supported"].append("nonsense")),
        ("keys", lambda body: body["keys"][0].pop("kid")),
    ],
)
def test_a_difference_would_be_seen(keycloaks: Json, ours: Json, question: str, change: object) -> None:
    """A claim less, a claim more, another error, a promise that Keycloak does not make."""
    changed = copy.deepcopy(ours)
    assert callable(change)
    change(changed[question]["body"])

    [difference] = differences(keycloaks, changed)
    assert difference.startswith(f"{question}/body/")
