"""What a token says: scopes, roles and claims from a realm, by Keycloak's rules. Pure: it signs and stores nothing."""

from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import NamedTuple

from authz_realm.mappers import IN_ACCESS_TOKEN, IN_ID_TOKEN, Claims, Role, Source, apply_mapper
from authz_realm.realm import Client, ClientScope, Realm, ScopeMapping, User

OPENID = "openid"


class UnknownScope(Exception):  # noqa: N818 - it names what was asked for
    """The client may not ask for this scope."""


class Grant(NamedTuple):
    """Who gets a token, by which client, with what."""

    realm: Realm
    client: Client
    user: User
    scopes: tuple[ClientScope, ...]
    openid: bool
    session_id: str | None  # None for a client that speaks for itself: nothing to refresh
    kind: str  # of session, token and grant: what Keycloak 26 writes before a token's id
    notes: Mapping[str, str]  # of the session: what the user-session-note mappers read
    exchanged: bool = False  # for another token (RFC 8693): nothing to refresh
    audience: str | None = None  # the only one that an exchanged token keeps; None = all
    bound_to: str | None = None  # the thumbprint of the client's certificate (RFC 8705)


class Stamp(NamedTuple):
    """What is different in each token of one grant."""

    issuer: str
    now: int
    token_id: str


def requested_scopes(client: Client, requested: str | None) -> list[str]:
    """The names that a request asks for, each of them known to the client. Raises UnknownScope, also for ""."""
    names = [] if requested is None else requested.split(" ")
    if not set(names) <= {*_assigned(client), OPENID}:
        raise UnknownScope(requested)
    return names


def select_scopes(realm: Realm, client: Client, user: User, names: Iterable[str]) -> tuple[ClientScope, ...]:
    """The client's default scopes and the named ones, without those that the user has no role for."""
    wanted = (*(client.default_client_scopes or ()), *(name for name in _assigned(client) if name in set(names)))
    found = (realm.find_scope(name) for name in dict.fromkeys(wanted))
    roles = _user_roles(realm, user)
    return tuple(scope for scope in found if scope is not None and _is_permitted(realm, scope, roles))


def access_claims(grant: Grant, stamp: Stamp) -> Claims:
    claims: Claims = {
        "exp": stamp.now + access_lifetime(grant),
        "iat": stamp.now,
        "jti": f"{grant.kind}:{stamp.token_id}",
        "iss": stamp.issuer,
        "typ": "Bearer",
        "azp": grant.client.client_id,
    }
    if grant.session_id is not None:
        claims["sid"] = grant.session_id
    _apply_mappers(grant, claims, IN_ACCESS_TOKEN)
    if grant.audience is not None:
        _keep_only(grant.audience, claims)
    match claims.get("aud"):
        case [only]:  # Keycloak writes one audience as a string (RFC 7519 §4.1.3)
            claims["aud"] = only
    if grant.bound_to is not None:
        claims["cnf"] = {"x5t#S256": grant.bound_to}
    claims["scope"] = scope_text(grant)
    return claims


def id_claims(grant: Grant, stamp: Stamp, access_token: str) -> Claims:
    """OpenID Connect Core §2: who the user is, for the client itself. No API may take it for an access token."""
    claims: Claims = {
        "exp": stamp.now + access_lifetime(grant),
        "iat": stamp.now,
        "jti": stamp.token_id,
        "iss": stamp.issuer,
        "aud": grant.client.client_id,
        "sub": grant.user.id,
        "typ": "ID",
        "azp": grant.client.client_id,
        "at_hash": _half_hash(access_token),
    }
    if grant.session_id is not None:
        claims["sid"] = grant.session_id
    _apply_mappers(grant, claims, IN_ID_TOKEN)
    return claims


def access_lifetime(grant: Grant) -> int:
    return int(grant.client.attributes.get("access.token.lifespan", grant.realm.access_token_lifespan))


def refresh_claims(grant: Grant, stamp: Stamp) -> Claims:
    """For our own eyes only: the scope holds every scope's name, also those that no token shows."""
    return {
        "exp": stamp.now + grant.realm.sso_session_idle_timeout,
        "iat": stamp.now,
        "jti": stamp.token_id,
        "iss": stamp.issuer,
        "aud": stamp.issuer,
        "sub": grant.user.id,
        "typ": "Refresh",
        "azp": grant.client.client_id,
        "sid": grant.session_id,
        "scope": " ".join([OPENID] * grant.openid + [scope.name for scope in grant.scopes]),
    }


def scope_text(grant: Grant) -> str:
    return " ".join([OPENID] * grant.openid + [scope.name for scope in grant.scopes if scope.is_in_token])


def _apply_mappers(grant: Grant, claims: Claims, destination: str) -> None:
    source = Source(grant.client, grant.user, _granted_roles(grant), grant.notes)
    of_scopes = [mapper for scope in grant.scopes for mapper in scope.protocol_mappers]
    for mapper in (*of_scopes, *grant.client.protocol_mappers):
        if mapper.config.get(destination) == "true":
            apply_mapper(mapper, source, claims)


def _keep_only(audience: str, claims: Claims) -> None:
    """No audience but this one, if the token has it at all, and no roles at other clients."""
    audiences, roles = claims.pop("aud", []), claims.get("resource_access")
    if isinstance(audiences, list) and audience in audiences:
        claims["aud"] = [audience]
    if isinstance(roles, dict):
        claims["resource_access"] = {client: names for client, names in roles.items() if client == audience}


def _half_hash(access_token: str) -> str:
    """Of RS256 and ES256 (OpenID Connect Core §3.1.3.6)."""
    return urlsafe_b64encode(sha256(access_token.encode()).digest()[:16]).rstrip(b"=").decode()


def _assigned(client: Client) -> tuple[str, ...]:
    return (*(client.default_client_scopes or ()), *(client.optional_client_scopes or ()))


def _is_permitted(realm: Realm, scope: ClientScope, roles: frozenset[Role]) -> bool:
    """A scope with roles is for users who have one of them; a scope without is for all."""
    mapped = _mapped_roles(realm, scopes=(scope.name,))
    return not mapped or bool(mapped & roles)


def _granted_roles(grant: Grant) -> frozenset[Role]:
    roles = _user_roles(grant.realm, grant.user)
    if grant.client.full_scope_allowed:
        return roles
    own = {role for role in roles if role.client == grant.client.client_id}
    names = tuple(scope.name for scope in grant.scopes)
    return roles & (_mapped_roles(grant.realm, client=grant.client.client_id, scopes=names) | own)


def _user_roles(realm: Realm, user: User) -> frozenset[Role]:
    client_roles = (Role(client, name) for client, names in user.client_roles.items() for name in names)
    return _with_composites(realm, (*(Role("", name) for name in user.realm_roles), *client_roles))


def _mapped_roles(realm: Realm, *, client: str | None = None, scopes: tuple[str, ...]) -> frozenset[Role]:
    def is_ours(mapping: ScopeMapping) -> bool:
        return mapping.client_scope in scopes or (client is not None and mapping.client == client)

    found = [Role("", name) for mapping in realm.scope_mappings if is_ours(mapping) for name in mapping.roles]
    for owner, mappings in realm.client_scope_mappings.items():
        found += [Role(owner, name) for mapping in mappings if is_ours(mapping) for name in mapping.roles]
    return _with_composites(realm, found)


def _with_composites(realm: Realm, roles: Iterable[Role]) -> frozenset[Role]:
    composites = {Role("", role.name): role.composites for role in realm.roles.realm}
    for client, client_roles in realm.roles.client.items():
        composites |= {Role(client, role.name): role.composites for role in client_roles}
    found: set[Role] = set()
    waiting = list(roles)
    while waiting:
        role = waiting.pop()
        if role in found or role not in composites:
            continue
        found.add(role)
        inner = composites[role]
        waiting += [Role("", name) for name in inner.realm]
        waiting += [Role(client, name) for client, names in inner.client.items() for name in names]
    return frozenset(found)
