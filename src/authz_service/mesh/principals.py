"""Whose tokens there are: users of a realm by equal claims, service accounts with the scopes that their sidecars ask
for, and whom mesh.yaml names. What Keycloak would put into them is `authz_realm`'s knowledge.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

from authz_realm.claims import OPENID, Grant, Stamp, UnknownScope, access_claims, requested_scopes, select_scopes
from authz_realm.realm import Client, Realm, User
from authz_service.config.model import Config, OAuth2
from authz_service.mesh.mesh_file import DeclaredPrincipal
from authz_service.mesh.realm_file import NoToken, Principal, RealmFile, realm_name
from authz_service.mesh.spot import Spot

_PASSING = ("exp", "iat", "jti", "sid", "nbf", "auth_time")  # of one token, not of who has it
# Which of a user's claims are his own name: two users who differ in nothing else are one kind of user.
_OWN_NAMES = ("sub", "preferred_username", "email", "email_verified", "name", "given_name", "family_name")
_NOTES = {"clientHost": "127.0.0.1", "clientAddress": "127.0.0.1"}


def declared(principals: Mapping[str, DeclaredPrincipal], spot: Spot) -> Iterator[Principal]:
    for name, one in principals.items():
        claims = {"iss": one.issuer, **one.claims}
        client = one.client or str(claims.get("azp") or claims.get("client_id") or "")
        yield Principal(name, "service" if one.client else "user", one.issuer, claims, spot, client)


def of_realms(realms: Iterable[RealmFile], configs: Sequence[Config], name: str = "") -> Iterator[Principal]:
    """All of them; or those of one name, at once."""
    issuers = {issuer.issuer: None for config in configs for issuer in config.issuers}
    by_realm = {realm_name(issuer): issuer for issuer in issuers}
    auths = [target.auth for config in configs for target in config.egress.targets.values()]
    for url in [auth.token_url for auth in auths if isinstance(auth, OAuth2)]:
        if "/protocol/" in url:
            by_realm.setdefault(realm_name(url), url.partition("/protocol/")[0])
    for file in realms:
        issuer = by_realm.get(file.realm.realm)
        if issuer is not None and file.realm.enabled:
            yield from find_user(file, issuer, name) if name else _users(file, issuer)
            yield from _service_accounts(file, issuer, configs, name)


def _users(file: RealmFile, issuer: str) -> Iterator[Principal]:
    realm = file.realm
    people = [user for user in realm.users if user.enabled and user.service_account_client_id is None]
    for client in filter(signs_users_in, realm.clients):
        alike: dict[str, list[tuple[User, Mapping[str, object]]]] = {}
        for user in people:
            claims = token_claims(realm, client, user, (), issuer)
            key = json.dumps({name: claims[name] for name in claims if name not in _OWN_NAMES}, sort_keys=True)
            alike.setdefault(key, []).append((user, claims))
        for group in alike.values():
            user, claims = group[0]
            names = tuple(one.username for one, _ in group)
            yield Principal(user.username, "user", issuer, claims, file.line(user.username), client.client_id, names)


def find_user(file: RealmFile, issuer: str, name: str) -> Iterator[Principal]:
    """The user's tokens, by each client that may have them."""
    user = file.realm.find_user(name)
    if user is None or not user.enabled:
        return
    for client in filter(signs_users_in, file.realm.clients):
        claims = token_claims(file.realm, client, user, (), issuer)
        yield Principal(user.username, "user", issuer, claims, file.line(user.username), client.client_id)


def signs_users_in(client: Client) -> bool:
    flows = client.direct_access_grants_enabled or client.standard_flow_enabled
    return client.enabled and not client.bearer_only and flows


def _service_accounts(file: RealmFile, issuer: str, configs: Sequence[Config], name: str) -> Iterator[Principal]:
    for client in file.realm.clients if not name else filter(None, [file.realm.find_client(name)]):
        if client.enabled and client.service_accounts_enabled and not client.public_client:
            for scopes in _asked_scopes(client.client_id, configs):
                principal = service_account(file, issuer, client.client_id, scopes)
                if principal is not None:
                    yield principal


def service_account(file: RealmFile, issuer: str, client_id: str, scopes: Sequence[str]) -> Principal | None:
    """The service's own token; None where the realm gives it none. Raises UnknownScope."""
    client = file.realm.find_client(client_id)
    account = None if client is None else file.realm.find_service_account(client)
    if client is None or account is None or not client.enabled or not client.service_accounts_enabled:
        return None
    try:
        claims = token_claims(file.realm, client, account, scopes, issuer)
    except UnknownScope:
        return None
    return Principal(client_id, "service", issuer, claims, file.line(client_id), client_id)


def not_issued(realms: Mapping[str, RealmFile], configs: Sequence[Config]) -> Iterator[NoToken]:
    """Each once; of realms that are here."""
    told: set[tuple[str, tuple[str, ...]]] = set()
    for auth in [target.auth for config in configs for target in config.egress.targets.values()]:
        if not isinstance(auth, OAuth2) or auth.exchanges or (auth.client_id, auth.scopes) in told:
            continue
        told.add((auth.client_id, auth.scopes))
        file = realms.get(realm_name(auth.token_url))
        if file is None:
            continue
        client = file.realm.find_client(auth.client_id)
        if client is None or not client.enabled:
            said = ("invalid_client", f"the realm {file.realm.realm} has no such client", file.spot)
        elif not client.service_accounts_enabled:
            said = ("unauthorized_client", "it has no service account", file.line(client.client_id))
        elif lacking := scopes_lacking(client, auth.scopes):
            said = ("invalid_scope", f"it may not ask for {', '.join(lacking)}", file.line(client.client_id))
        else:
            continue
        yield NoToken(auth.client_id, auth.scopes, *said)


def scopes_lacking(client: Client, scopes: Sequence[str]) -> list[str]:
    """What it asks for, and may not."""
    known = {*(client.default_client_scopes or ()), *(client.optional_client_scopes or ()), OPENID}
    return [scope for scope in scopes if scope not in known]


def _asked_scopes(client_id: str, configs: Sequence[Config]) -> list[tuple[str, ...]]:
    """Of each of its tokens; one without any where no sidecar asks for it."""
    auths = [target.auth for config in configs for target in config.egress.targets.values()]
    found = [auth.scopes for auth in auths if isinstance(auth, OAuth2) and auth.client_id == client_id]
    return list(dict.fromkeys(found)) or [()]


def token_claims(
    realm: Realm, client: Client, user: User, scopes: Sequence[str], issuer: str, exchange: OAuth2 | None = None
) -> Mapping[str, object]:
    """`exchange`: by which another token of the user's becomes this one. Raises UnknownScope for what the client may
    not ask for.
    """
    names = requested_scopes(client, " ".join(scopes) if scopes else None)
    own = user.service_account_client_id is not None and exchange is None
    notes = {"client_id": client.client_id, **_NOTES} if own else {}
    granted = select_scopes(realm, client, user, names)
    session, audience = None if own else "model", None if exchange is None else exchange.audience
    exchanged = exchange is not None
    grant = Grant(realm, client, user, granted, OPENID in names, session, "model", notes, exchanged, audience)
    claims = access_claims(grant, Stamp(issuer, 0, "model"))
    return {name: value for name, value in claims.items() if name not in _PASSING}
