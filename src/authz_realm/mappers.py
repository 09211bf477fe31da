"""Keycloak's protocol mappers: one small function per type. It decides no scopes (`claims`)."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from msgspec import json

from authz_realm.realm import Client, Mapper, Realm, User

Claims = dict[str, object]

# The members of a mapper's configuration that say where its claims go.
IN_ACCESS_TOKEN = "access.token.claim"  # noqa: S105 - no password
IN_ID_TOKEN = "id.token.claim"  # noqa: S105 - as above

_UNESCAPED_DOT = re.compile(r"(?<!\\)\.")


class Role(NamedTuple):
    """`client` is empty for a role of the realm."""

    client: str
    name: str


class Source(NamedTuple):
    """Where mappers take their values from."""

    client: Client
    user: User
    roles: frozenset[Role]
    notes: Mapping[str, str]


def apply_mapper(mapper: Mapper, source: Source, claims: Claims) -> None:
    """Adds the mapper's claims. `aud` of an access token is a list here."""
    kind = _KINDS.get(mapper.protocol_mapper)
    if kind is not None:
        kind(mapper, source, claims)


def unsupported_mappers(realm: Realm) -> Iterator[str]:
    """Whose claims will be missing, as the log says at the start."""
    for owner, mappers in (
        *((f"clientScopes[{scope.name}]", scope.protocol_mappers) for scope in realm.client_scopes),
        *((f"clients[{client.client_id}]", client.protocol_mappers) for client in realm.clients),
    ):
        for mapper in mappers:
            if mapper.protocol_mapper not in _KINDS and not mapper.protocol_mapper.startswith("saml-"):
                yield f"{owner}.protocolMappers[{mapper.name}]: {mapper.protocol_mapper}"


def _audience(mapper: Mapper, source: Source, claims: Claims) -> None:  # noqa: ARG001 - one signature for all
    audience = mapper.config.get("included.client.audience") or mapper.config.get("included.custom.audience")
    if audience:
        _add_audience(claims, audience)


def _audience_resolve(mapper: Mapper, source: Source, claims: Claims) -> None:  # noqa: ARG001 - as above
    for client in sorted({role.client for role in source.roles} - {"", source.client.client_id}):
        _add_audience(claims, client)


def _subject(mapper: Mapper, source: Source, claims: Claims) -> None:  # noqa: ARG001 - as above
    claims["sub"] = source.user.id


def _acr(mapper: Mapper, source: Source, claims: Claims) -> None:  # noqa: ARG001 - as above
    claims["acr"] = "1"


def _allowed_origins(mapper: Mapper, source: Source, claims: Claims) -> None:  # noqa: ARG001 - as above
    if source.client.web_origins:
        claims["allowed-origins"] = list(source.client.web_origins)


def _realm_roles(mapper: Mapper, source: Source, claims: Claims) -> None:
    _put_roles(mapper, claims, _path(mapper), [role.name for role in source.roles if not role.client])


def _client_roles(mapper: Mapper, source: Source, claims: Claims) -> None:
    only = mapper.config.get("usermodel.clientRoleMapping.clientId")
    for client in sorted({role.client for role in source.roles} - {""}):
        if only in (None, "", client):
            path = [part.replace("${client_id}", client) for part in _path(mapper)]
            _put_roles(mapper, claims, path, [role.name for role in source.roles if role.client == client])


def _user_value(mapper: Mapper, source: Source, claims: Claims) -> None:
    name, user = mapper.config.get("user.attribute", ""), source.user
    known: dict[str, object] = {
        "username": user.username,
        "id": user.id,
        "email": user.email,
        "emailVerified": user.email_verified,
        "firstName": user.first_name,
        "lastName": user.last_name,
    }
    values = user.attributes.get(name, ())
    if name in known:
        _put(mapper, claims, known[name])
    elif values:
        many = mapper.config.get("multivalued") == "true"
        _put(mapper, claims, list(values) if many else values[0])


def _full_name(mapper: Mapper, source: Source, claims: Claims) -> None:  # noqa: ARG001 - one signature for all
    name = " ".join(part for part in (source.user.first_name, source.user.last_name) if part)
    if name:
        claims["name"] = name


def _note(mapper: Mapper, source: Source, claims: Claims) -> None:
    _put(mapper, claims, source.notes.get(mapper.config.get("user.session.note", "")))


def _hardcoded(mapper: Mapper, source: Source, claims: Claims) -> None:  # noqa: ARG001 - as above
    _put(mapper, claims, mapper.config.get("claim.value"))


_KINDS: dict[str, Callable[[Mapper, Source, Claims], None]] = {
    "oidc-audience-mapper": _audience,
    "oidc-audience-resolve-mapper": _audience_resolve,
    "oidc-sub-mapper": _subject,
    "oidc-acr-mapper": _acr,
    "oidc-allowed-origins-mapper": _allowed_origins,
    "oidc-usermodel-realm-role-mapper": _realm_roles,
    "oidc-usermodel-client-role-mapper": _client_roles,
    "oidc-usermodel-attribute-mapper": _user_value,
    "oidc-usermodel-property-mapper": _user_value,
    "oidc-full-name-mapper": _full_name,
    "oidc-usersessionmodel-note-mapper": _note,
    "oidc-hardcoded-claim-mapper": _hardcoded,
}


def _add_audience(claims: Claims, audience: str) -> None:
    audiences = claims.setdefault("aud", [])
    assert isinstance(audiences, list)
    if audience not in audiences:
        audiences.append(audience)


def _path(mapper: Mapper) -> list[str]:
    """`realm_access.roles` is nested; a backslash before a dot keeps it a part of the name."""
    return [part.replace(r"\.", ".") for part in _UNESCAPED_DOT.split(mapper.config.get("claim.name", "")) if part]


def _put_roles(mapper: Mapper, claims: Claims, path: list[str], roles: list[str]) -> None:
    if roles:
        _set(
            claims,
            path,
            sorted(mapper.config.get("usermodel.realmRoleMapping.rolePrefix", "") + role for role in roles),
        )


def _put(mapper: Mapper, claims: Claims, value: object) -> None:
    if value is not None:
        _set(claims, _path(mapper), _typed(value, mapper.config.get("jsonType.label", "String")))


def _set(claims: Claims, path: list[str], value: object) -> None:
    if not path:
        return
    for part in path[:-1]:
        inner = claims.setdefault(part, {})
        assert isinstance(inner, dict)
        claims = inner
    claims[path[-1]] = value


def _typed(value: object, kind: str) -> object:
    if isinstance(value, list):
        return [_typed(item, kind) for item in value]
    if kind == "boolean":
        return value is True or value == "true"
    if kind in {"int", "long"}:
        return int(str(value))
    if kind == "JSON":
        return json.decode(str(value))
    return str(value)
