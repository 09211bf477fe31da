"""Keycloak's administration by its REST API: what the mesh needs of a running server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from authz_devkit.keycloak.server import ADMIN, ADMIN_PASSWORD

Json = dict[str, Any]
Send = Callable[[httpx.Request], Awaitable[httpx.Response]]
_KEY_PROVIDER = "org.keycloak.keys.KeyProvider"


class AdminError(Exception):
    """Keycloak did not do what it was asked."""


class Admin:
    """The administrator of the server at `url`. `send` knows the way and whom to trust."""

    def __init__(self, url: str, send: Send) -> None:
        self._url = url
        self._send = send

    async def add_signing_key(self, realm: str, private_key_pem: str, *, priority: int) -> str:
        """Sign with this RSA key from now on, if no key of higher priority is there. Its `kid`."""
        about = await self.call("GET", f"/{realm}")
        before = {key["kid"] for key in (await self.keys(realm))}
        config = {"privateKey": [private_key_pem], "priority": [str(priority)], "algorithm": ["RS256"]}
        component = {
            "name": f"key-{priority}", "providerId": "rsa", "providerType": _KEY_PROVIDER, "parentId": about["id"],
            "config": config,
        }  # fmt: skip
        await self.call("POST", f"/{realm}/components", component)
        [kid] = {key["kid"] for key in (await self.keys(realm))} - before
        return str(kid)

    async def keys(self, realm: str) -> list[Json]:
        found = await self.call("GET", f"/{realm}/keys")
        return list(found["keys"])

    async def call(self, method: str, path: str, body: object = None) -> Any:
        """One request below /admin/realms. Raises AdminError."""
        headers = {"Authorization": f"Bearer {await self._token()}"}
        request = httpx.Request(method, f"{self._url}/admin/realms{path}", headers=headers, json=body)
        answer = await self._send(request)
        if not answer.is_success:
            raise AdminError(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json() if answer.content else None

    async def _token(self) -> str:
        form = {"grant_type": "password", "client_id": "admin-cli", "username": ADMIN, "password": ADMIN_PASSWORD}
        url = f"{self._url}/realms/master/protocol/openid-connect/token"
        answer = await self._send(httpx.Request("POST", url, data=form))
        if not answer.is_success:
            raise AdminError(f"no token for the administrator: {answer.status_code} {answer.text}")
        return str(answer.json()["access_token"])
