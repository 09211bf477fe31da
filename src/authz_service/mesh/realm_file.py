"""A realm's file, and whose tokens there may be of it. How they are found: `principals`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from authz_realm.realm import Realm
from authz_service.mesh.spot import Spot

_REALM = re.compile(r"/realms/([^/]+)")

PrincipalKind = Literal["user", "service"]


@dataclass(frozen=True, slots=True)
class Principal:
    """Whose token it may be; `claims` without the times and the token's id."""

    name: str
    kind: PrincipalKind
    issuer: str
    claims: Mapping[str, object]
    spot: Spot
    client: str = ""  # whom the token is issued to
    alike: tuple[str, ...] = ()  # users for whom everything but their names is the same


@dataclass(frozen=True, slots=True)
class RealmFile:
    """A Keycloak realm, where it is written, and what its parts lack of each other."""

    realm: Realm
    spot: Spot
    text: str
    problems: tuple[str, ...]

    def line(self, *words: str) -> Spot:
        """The first line that has the last word, in quotes, after lines with those before it."""
        lines, at = self.text.splitlines(), 0
        for word in words:
            at = next((number for number in range(at, len(lines)) if f'"{word}"' in lines[number]), at)
        return Spot(self.spot.file, at + 1)


class NoToken(NamedTuple):
    """A token of its own that a service asks for, and that its realm would not issue."""

    client: str
    scopes: tuple[str, ...]
    error: str  # as the token endpoint answers (RFC 6749 §5.2)
    why: str
    spot: Spot


class LooseRoles(NamedTuple):
    """Service account roles that stand outside of any realm, as the specification writes them."""

    client: str
    realm_roles: tuple[str, ...]
    client_roles: Mapping[str, tuple[str, ...]]
    spot: Spot


def realm_name(url: str | None) -> str:
    """Of `…/realms/NAME`, as Keycloak's issuers and endpoints are; "" for others."""
    found = _REALM.search(url or "")
    return "" if found is None else found[1]
