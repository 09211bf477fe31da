"""Which identity provider the mesh has: the development kit's own, or Keycloak. Same realm files, same URLs."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path

from joserfc.jwk import RSAKey
from msgspec import json

from authz_devkit.certs.files import PRIVATE, replace_file
from authz_devkit.certs.tree import ca_bundle, leaf_cert, leaf_key
from authz_devkit.keycloak.admin import Admin
from authz_realm.realm import load_realms

_LEAF = "identity-provider/server"
_OUR_KEYS_PRIORITY = 200  # Keycloak's own have 100


class IdentityProvider(StrEnum):
    DEVELOPMENT = "development"
    KEYCLOAK = "keycloak"


def command(provider: IdentityProvider, example: Path, folder: Path, address: str, url: str) -> list[str]:
    """Both take the same options. `folder`: the running mesh's."""
    keycloak, certs = provider is IdentityProvider.KEYCLOAK, folder / "certs"
    options = [
        "--realms", str(example / "realms"),
        "--listen", f"{address}:8443",
        "--cert", str(leaf_cert(certs, _LEAF)),
        "--key", str(leaf_key(certs, _LEAF)),
        "--hostname", url,
    ]  # fmt: skip
    for zone in ("zone1", "zone2", "zone3"):
        options += ["--client-ca", str(ca_bundle(certs, zone))]
    state = folder / "state" / "keycloak" if keycloak else signing_keys_file(folder)
    options += ["--state", str(state)]
    return [sys.executable, "-m", "authz_devkit.cli", "keycloak" if keycloak else "idp", *options]


def signing_keys_file(folder: Path) -> Path:
    """Where the realms' private keys lie: to make tokens that are wrong in one thing only, and truly signed."""
    return folder / "state" / "identity-provider.json"


async def hand_signing_keys(folder: Path, example: Path, admin: Admin) -> None:
    """Keycloak never shows a private key, so we give it ours. Done once: it keeps them in its database."""
    file = signing_keys_file(folder)
    if file.exists():
        return
    state = {}
    for realm in load_realms(example / "realms"):
        key = RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256"})
        kid = await admin.add_signing_key(realm, key.as_pem(private=True).decode(), priority=_OUR_KEYS_PRIORITY)
        state[realm] = {"keys": [{**key.as_dict(private=True), "kid": kid}]}
    replace_file(file, json.encode(state), PRIVATE)
