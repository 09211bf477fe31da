"""Changes on the one Keycloak of the session, each taken back after its test."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from tests.support.live import Json, Live

from authz_devkit.keycloak.admin import Admin

ChangeClient = Callable[..., None]
_KEPT = ("clientAuthenticatorType", "secret", "enabled", "attributes")


@pytest.fixture
def change_client(live: Live) -> Iterator[ChangeClient]:
    """`change_client(client_id, …)` of the realm `services`."""
    before: dict[str, Json] = {}

    async def found(admin: Admin, client_id: str) -> Json:
        [client] = await admin.call("GET", f"/services/clients?clientId={client_id}")
        return {name: client[name] for name in _KEPT if name in client}

    def change(client_id: str, **changes: object) -> None:
        if client_id not in before:
            before[client_id] = live.administer(lambda admin: found(admin, client_id))
        live.administer(lambda admin: admin.change_client("services", client_id, **changes))

    yield change
    for client_id, kept in before.items():
        attributes = dict.fromkeys(_ADDED, "") | kept["attributes"]
        change(client_id, **{**kept, "attributes": attributes})


_ADDED = (
    "access.token.lifespan", "tls.client.certificate.bound.access.tokens", "use.jwks.string", "jwks.string",
    "x509.subjectdn", "x509.casubjectdn", "x509.allow.regex.pattern.comparison",
)  # fmt: skip
