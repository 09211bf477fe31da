"""Changes on the one Keycloak of the session, each taken back after its test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.support.changed_clients import ChangeClient, on_keycloak
from tests.support.live import Live


@pytest.fixture
def change_client(live: Live) -> Iterator[ChangeClient]:
    """`change_client(client_id, …)` of the realm `services`."""
    with on_keycloak(live) as change:
        yield change
