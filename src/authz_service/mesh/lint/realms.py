"""Realms: are they here, do their parts fit together, and do they give the tokens that the sidecars ask for."""

from __future__ import annotations

from collections.abc import Iterator

from authz_realm.realm import Client
from authz_service.mesh.ground import Ground
from authz_service.mesh.lint.rule import Found
from authz_service.mesh.model import Call
from authz_service.mesh.principals import scopes_lacking
from authz_service.mesh.realm_file import RealmFile, realm_name
from authz_service.mesh.spot import Spot


def realm_is_missing(ground: Ground) -> Iterator[Found]:
    """Only where other realms are here: a mesh may keep none."""
    told: set[str] = set()
    for sidecar in ground.served:
        for number, issuer in enumerate(sidecar.config.issuers):
            name = realm_name(issuer.issuer)
            if name and ground.mesh.realms and name not in ground.mesh.realms and name not in told:
                told.add(name)
                there = ", ".join(sorted(ground.mesh.realms))
                yield Found(
                    sidecar.spot("jwt", "issuers", number, "issuer"),
                    f"{sidecar.name} accepts tokens of the realm {name}, whose file is not here",
                    f"keep {name}-realm.json beside the others: users, clients, roles, audience mappers",
                    Spot(next(iter(ground.mesh.realms.values())).spot.file),
                    f"there are {there}",
                )


def client_is_missing(ground: Ground) -> Iterator[Found]:
    for call, realm, client in _clients(ground):
        auth = call.target.auth
        place = call.source.spot(*call.target_place, "auth", "client_id")
        if client is None:
            yield Found(
                place,
                f"{call.source.name} is {call.client_id} at the realm {realm.realm.realm}",
                "add the client, with serviceAccountsEnabled",
                realm.spot,
                "the realm has no such client",
            )
        elif not client.service_accounts_enabled and not auth.exchanges:
            yield Found(
                place,
                f"{call.source.name} asks for a token of its own",
                f"set serviceAccountsEnabled at {call.client_id}",
                realm.line(client.client_id),
                f"{call.client_id} has no service account",
            )


def scope_is_missing(ground: Ground) -> Iterator[Found]:
    for call, realm, client in _clients(ground):
        if client is None:
            continue
        lacking = scopes_lacking(client, call.scopes)
        if lacking:
            defined = all(realm.realm.find_scope(scope) is not None for scope in lacking)
            what = "gives them to another client" if defined else "does not define them"
            first = "" if defined else "define them in clientScopes and "
            yield Found(
                call.source.spot(*call.target_place, "auth", "scopes"),
                f"{call.source.name} asks for {', '.join(lacking)}",
                f"take {', '.join(lacking)} out of scopes, or {first}give them to {client.client_id} "
                "(optionalClientScopes)",
                realm.line(client.client_id),
                f"the realm {realm.realm.realm} {what}: the token is refused (invalid_scope)",
            )


def realm_lacks(ground: Ground) -> Iterator[Found]:
    for realm in ground.mesh.realms.values():
        for problem in realm.problems:
            yield Found(realm.spot, problem, "add what is missing, or correct the name")


def role_files(ground: Ground) -> Iterator[Found]:
    """The form that the specification writes service account roles in."""
    for roles in ground.mesh.loose_roles:
        yield Found(
            roles.spot,
            f"the service account roles of {roles.client} stand in a file that Keycloak does not read",
            f"write them into the realm: a user service-account-{roles.client} with clientRoles",
        )


def loose_role_owner(ground: Ground) -> Iterator[Found]:
    for roles in ground.mesh.loose_roles:
        for owner, names in roles.client_roles.items():
            if ground.mesh.realms and all(one.realm.find_client(owner) is None for one in ground.mesh.realms.values()):
                yield Found(
                    roles.spot,
                    f"{roles.client} is given {', '.join(names)} at the client {owner}",
                    f"add the client {owner} and these roles to the realm",
                    next(iter(ground.mesh.realms.values())).spot,
                    f"no realm has a client {owner}",
                )


def _clients(ground: Ground) -> Iterator[tuple[Call, RealmFile, Client | None]]:
    told: set[tuple[str, str]] = set()
    for call in ground.mesh.calls:
        realm = ground.mesh.realm_of(call.token_url)
        key = (call.source.name, call.target_name)
        if realm is not None and call.client_id is not None and key not in told:
            told.add(key)
            yield call, realm, realm.realm.find_client(call.client_id)
