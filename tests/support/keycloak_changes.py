"""What tests change on a running Keycloak, by its administration."""

from __future__ import annotations

from typing import Any

from authz_devkit.keycloak.admin import Admin


async def change_client(admin: Admin, realm: str, client_id: str, **changes: Any) -> None:
    """Attributes that are not named stay; None takes one away."""
    [client] = await admin.call("GET", f"/{realm}/clients?clientId={client_id}")
    attributes = {**client["attributes"], **changes.pop("attributes", {})}
    await admin.call("PUT", f"/{realm}/clients/{client['id']}", {**client, **changes, "attributes": attributes})


async def change_user(admin: Admin, realm: str, username: str, **changes: object) -> None:
    [user] = await admin.call("GET", f"/{realm}/users?exact=true&username={username}")
    await admin.call("PUT", f"/{realm}/users/{user['id']}", {**user, **changes})


async def change_key(admin: Admin, realm: str, kid: str, *, active: bool, enabled: bool) -> None:
    """Not active: verifies, but signs no more. Not enabled: is not published either."""
    [key] = [key for key in await admin.keys(realm) if key["kid"] == kid]
    component = await admin.call("GET", f"/{realm}/components/{key['providerId']}")
    component["config"] |= {"active": [str(active).lower()], "enabled": [str(enabled).lower()]}
    await admin.call("PUT", f"/{realm}/components/{component['id']}", component)
