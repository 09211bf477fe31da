"""A realm of your own names, from the command line: clients, users, roles. Not their tokens."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import json

from authz_realm.realm import Realm, RealmProblems, read_realms


def own_realm(
    name: str,
    *,
    clients: Mapping[str, str],
    users: Mapping[str, str],
    roles: Mapping[str, Sequence[str]],
    audiences: Sequence[str],
) -> dict[str, Realm]:
    """Clients with their secrets and users with their passwords. Each client may ask for itself and with a password;
    every token is for all `audiences`. Raises RealmProblems.
    """
    if strangers := sorted(roles.keys() - users.keys()):
        raise RealmProblems([f"--role: no user `{user}`; add --user {user}=PASSWORD" for user in strangers])
    mappers = [_audience(audience) for audience in audiences]
    realm = {
        "realm": name,
        "roles": {"realm": [{"name": role} for role in sorted({role for some in roles.values() for role in some})]},
        "clients": [
            {
                "clientId": client,
                "secret": secret,
                "serviceAccountsEnabled": True,
                "directAccessGrantsEnabled": True,
                "protocolMappers": mappers,
            }
            for client, secret in clients.items()
        ],
        "users": [_user(user, password, roles.get(user, ())) for user, password in users.items()],
    }
    text = json.encode(realm)
    return read_realms([(f"realm {name}", lambda: text)])


def _audience(audience: str) -> dict[str, object]:
    config = {"included.custom.audience": audience, "access.token.claim": "true"}
    return {"name": f"for-{audience}", "protocolMapper": "oidc-audience-mapper", "config": config}


def _user(name: str, password: str, roles: Iterable[str]) -> dict[str, object]:
    """Whole, or the account "is not fully set up"."""
    return {
        "username": name,
        "email": f"{name}@example.com",
        "emailVerified": True,
        "firstName": name.capitalize(),
        "lastName": "Example",
        "credentials": [{"type": "password", "value": password}],
        "realmRoles": [*roles],
    }
