"""An identity provider whose clients a test changes: our Keycloak, or a development provider of the test's own.

with changed_clients(live) as provider:
    provider.change("order-service", clientAuthenticatorType="client-x509", attributes={…})
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from tests.support.keycloak_changes import change_client
from tests.support.live import Json, Live
from tests.support.private_idp import PrivateIdp

from authz_devkit.demo.identity import IdentityProvider
from authz_devkit.keycloak.admin import Admin

ChangeClient = Callable[..., None]  # (client_id, …) of the realm `services`; attributes that are not named stay
_KEPT = ("clientAuthenticatorType", "secret", "enabled", "attributes")
_ADDED = (
    "access.token.lifespan", "tls.client.certificate.bound.access.tokens", "use.jwks.string", "jwks.string",
    "x509.subjectdn", "x509.casubjectdn", "x509.allow.regex.pattern.comparison",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ChangedProvider:
    """`hosts` leads a sidecar to it."""

    hosts: Mapping[str, str]
    change: ChangeClient


@contextmanager
def changed_clients(live: Live) -> Iterator[ChangedProvider]:
    """Whichever provider the mesh has; its signing keys are the mesh's."""
    if live.mesh.identity is IdentityProvider.KEYCLOAK:
        with on_keycloak(live) as change:
            yield ChangedProvider(live.mesh.hosts, change)
    else:
        with PrivateIdp(live, signing_as_the_mesh=True) as idp:
            yield ChangedProvider(idp.hosts, lambda client_id, **changes: _change_file(idp, client_id, changes))


@contextmanager
def on_keycloak(live: Live) -> Iterator[ChangeClient]:
    """Each change is taken back at the end: there is one Keycloak in a session."""
    before: dict[str, Json] = {}

    async def found(admin: Admin, client_id: str) -> Json:
        [client] = await admin.call("GET", f"/services/clients?clientId={client_id}")
        return {name: client[name] for name in _KEPT if name in client}

    def change(client_id: str, **changes: object) -> None:
        if client_id not in before:
            before[client_id] = live.administer(lambda admin: found(admin, client_id))
        live.administer(lambda admin: change_client(admin, "services", client_id, **changes))

    yield change
    for client_id, kept in before.items():
        attributes = dict.fromkeys(_ADDED, "") | kept["attributes"]
        change(client_id, **{**kept, "attributes": attributes})


def _change_file(idp: PrivateIdp, client_id: str, changes: Json) -> None:
    """The development provider reads its realms when it starts."""
    [file] = (path for path in idp.folder.glob("*.json") if json.loads(path.read_text())["realm"] == "services")
    document = json.loads(file.read_text())
    [client] = (each for each in document["clients"] if each["clientId"] == client_id)
    attributes = {**client.get("attributes", {}), **changes.pop("attributes", {})}
    client.update(changes, attributes=attributes)
    file.write_text(json.dumps(document))
    idp.stop()
    idp.start()
