"""Which identity provider the mesh has: the development kit's own, or Keycloak. Same realm files, same URLs."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from joserfc.jwk import RSAKey
from msgspec import json

from authz_devkit.certs.files import PRIVATE, replace_file
from authz_devkit.certs.tree import ca_bundle, leaf_cert, leaf_key
from authz_realm.realm import load_realms

if TYPE_CHECKING:
    from authz_devkit.demo.mesh import Mesh

_LEAF = "identity-provider/server"
_OUR_KEYS_PRIORITY = 200  # Keycloak's own have 100


class IdentityProvider(StrEnum):
    DEVELOPMENT = "development"
    KEYCLOAK = "keycloak"

    @property
    def ready_timeout(self) -> float:
        """Seconds. Keycloak makes its database at the first start, and on a busy machine that takes a while."""
        return 240.0 if self is IdentityProvider.KEYCLOAK else 30.0

    @property
    def answer_timeout(self) -> float:
        """Seconds. The first requests of a Java server are slow."""
        return 30.0 if self is IdentityProvider.KEYCLOAK else 5.0


def command(mesh: Mesh) -> list[str]:
    """Both take the same options."""
    keycloak = mesh.identity is IdentityProvider.KEYCLOAK
    options = [
        "--realms", str(mesh.example / "realms"),
        "--listen", f"{mesh.identity_address}:8443",
        "--cert", str(leaf_cert(mesh.certs, _LEAF)),
        "--key", str(leaf_key(mesh.certs, _LEAF)),
        "--hostname", mesh.identity_url,
    ]  # fmt: skip
    for zone in ("zone1", "zone2", "zone3"):
        options += ["--client-ca", str(ca_bundle(mesh.certs, zone))]
    state = mesh.folder / "state" / "keycloak" if keycloak else signing_keys_file(mesh.folder)
    options += ["--state", str(state)]
    return [sys.executable, "-m", "authz_devkit.cli", "keycloak" if keycloak else "idp", *options]


def signing_keys_file(folder: Path) -> Path:
    """Where the realms' private keys lie: to make tokens that are wrong in one thing only, and truly signed."""
    return folder / "state" / "identity-provider.json"


async def hand_signing_keys(mesh: Mesh, http: httpx.AsyncClient) -> None:
    """Keycloak never shows a private key, so we give it ours. Done once: it keeps them in its database."""
    file = signing_keys_file(mesh.folder)
    if file.exists():
        return
    admin = mesh.admin(http)
    state = {}
    for realm in load_realms(mesh.example / "realms"):
        key = RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256"})
        kid = await admin.add_signing_key(realm, key.as_pem(private=True).decode(), priority=_OUR_KEYS_PRIORITY)
        state[realm] = {"keys": [{**key.as_dict(private=True), "kid": kid}]}
    replace_file(file, json.encode(state), PRIVATE)
