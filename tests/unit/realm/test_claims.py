from collections.abc import Mapping
from typing import Any

import pytest
from msgspec import convert

from authz_realm.claims import (
    Grant,
    Stamp,
    UnknownScope,
    access_claims,
    requested_scopes,
    select_scopes,
)
from authz_realm.mappers import unsupported_mappers
from authz_realm.realm import Realm

STAMP = Stamp("https://keycloak.example.com/realms/r", 1_800_000_000, "id-1")


def claims(realm: Realm, client_id: str, username: str, scope: str = "", **session: Any) -> dict[str, Any]:
    client = realm.find_client(client_id)
    user = next(user for user in realm.users if user.username == username)
    assert client is not None
    names = requested_scopes(client, scope or None)
    scopes = select_scopes(realm, client, user, names)
    session_id, notes = session.get("session_id"), session.get("notes", {})
    kind = "trrtcc" if session_id is None else "onrtro"
    grant = Grant(realm, client, user, scopes, "openid" in names, session_id, kind, notes)
    return access_claims(grant, STAMP)


def test_a_user_s_token_is_keycloak_s(realms: Mapping[str, Realm]) -> None:
    """Every claim of john's token; the three audiences are DESIGN §3 row 7."""
    assert claims(realms["users"], "web-app", "john", session_id="s-1") == {
        "exp": 1_800_000_300,
        "iat": 1_800_000_000,
        "jti": "onrtro:id-1",
        "iss": STAMP.issuer,
        "aud": ["api-gateway", "order-service", "payment-service"],
        "sub": "7d0c6a52-1f5e-4b1a-9c57-3f0e6f6d1a01",
        "typ": "Bearer",
        "azp": "web-app",
        "sid": "s-1",
        "acr": "1",
        "realm_access": {"roles": ["customer", "orders:create", "orders:read", "payments:create", "payments:read"]},
        "scope": "profile email",
        "name": "John Doe",
        "preferred_username": "john",
        "given_name": "John",
        "family_name": "Doe",
        "email": "john@example.com",
        "email_verified": True,
    }


def test_a_service_s_token_is_keycloak_s(realms: Mapping[str, Realm]) -> None:
    notes = {"client_id": "payment-service", "clientHost": "127.1.2.2", "clientAddress": "127.1.2.2"}
    account = "service-account-payment-service"
    scope = "data-service:read data-service:write-payments"

    assert claims(realms["services"], "payment-service", account, scope, notes=notes) == {
        "exp": 1_800_000_300,
        "iat": 1_800_000_000,
        "jti": "trrtcc:id-1",
        "iss": STAMP.issuer,
        "aud": "data-service",
        "sub": "5e2b9c10-6c0f-4d53-8a6e-2b7f4f1c0b03",
        "typ": "Bearer",
        "azp": "payment-service",
        "acr": "1",
        "realm_access": {"roles": ["service-account"]},
        "resource_access": {"data-service": {"roles": ["read-orders", "write-payments"]}},
        "scope": f"profile email {scope}",
        "client_id": "payment-service",
        "clientHost": "127.1.2.2",
        "clientAddress": "127.1.2.2",
        "preferred_username": account,
        "email_verified": False,
    }


def test_two_customers_differ_and_the_viewer_may_not_create(realms: Mapping[str, Realm]) -> None:
    john, mary, victor = (claims(realms["users"], "web-app", name) for name in ("john", "mary", "victor"))

    assert john["sub"] != mary["sub"]
    assert john["realm_access"] == mary["realm_access"]
    assert victor["realm_access"] == {"roles": ["customer"]}


@pytest.mark.parametrize(
    ("scope", "roles", "audience"),
    [
        ("", None, None),
        ("data-service:read", ["read-inventory", "read-orders"], "data-service"),
        ("data-service:write", ["write-orders"], "data-service"),
        (
            "data-service:read data-service:write",
            ["read-inventory", "read-orders", "write-orders"],
            "data-service",
        ),
    ],
)
def test_a_token_carries_the_roles_of_the_scopes_it_was_asked_with_and_no_more(
    realms: Mapping[str, Realm], scope: str, roles: list[str] | None, audience: str | None
) -> None:
    got = claims(realms["services"], "order-service", "service-account-order-service", scope)

    assert got.get("resource_access") == (roles and {"data-service": {"roles": roles}})
    assert got.get("aud") == audience


@pytest.mark.parametrize("scope", ["data-service:write-payments", "nothing", "email  profile"])
def test_a_scope_that_is_not_the_client_s_own_is_unknown(realms: Mapping[str, Realm], scope: str) -> None:
    """The good twin is the test above. Between two spaces is a scope without a name."""
    with pytest.raises(UnknownScope):
        claims(realms["services"], "order-service", "service-account-order-service", scope)


def test_openid_may_always_be_asked_for(realms: Mapping[str, Realm]) -> None:
    assert claims(realms["users"], "web-app", "john", "openid")["scope"] == "openid profile email"


def a_realm(**changes: Any) -> Realm:
    """One client `app` with one mapper per test, one user `ann` with a composite role."""
    document: dict[str, Any] = {
        "realm": "r",
        "roles": {
            "realm": [
                {"name": "boss", "composites": {"realm": ["worker"], "client": {"api": ["read"]}}},
                {"name": "worker"},
            ],
            "client": {"api": [{"name": "read"}], "app": [{"name": "own"}]},
        },
        "clientScopes": [
            {
                "name": "roles",
                "protocolMappers": [
                    _mapper("oidc-usermodel-realm-role-mapper", claim="realm_access.roles"),
                    _mapper(
                        "oidc-usermodel-client-role-mapper", **{"claim.name": "resource_access.${client_id}.roles"}
                    ),
                    _mapper("oidc-audience-resolve-mapper"),
                ],
            },
            {"name": "special"},
        ],
        "clients": [{"clientId": "app", "publicClient": True, "defaultClientScopes": ["roles", "special"]}],
        "users": [
            {"username": "ann", "id": "1", "realmRoles": ["boss"], "clientRoles": {"app": ["own"]}},
            {"username": "bob", "id": "2"},
        ],
    }
    return convert({**document, **changes}, Realm)


def _mapper(kind: str, claim: str = "", **config: str) -> dict[str, Any]:
    """`config` with `_` for `.`; on in access tokens unless told otherwise."""
    dotted = {name.replace("_", "."): value for name, value in config.items()}
    return {
        "name": kind,
        "protocolMapper": kind,
        "config": {"access.token.claim": "true", "claim.name": claim, **dotted},
    }


def test_a_composite_role_brings_its_parts_and_their_audience() -> None:
    """The client itself is no audience, though it has roles of its own."""
    got = claims(a_realm(), "app", "ann")

    assert got["realm_access"] == {"roles": ["boss", "worker"]}
    assert got["resource_access"] == {"api": {"roles": ["read"]}, "app": {"roles": ["own"]}}
    assert got["aud"] == "api"


def test_without_full_scope_only_mapped_and_own_roles_are_in_the_token() -> None:
    client = {"clientId": "app", "defaultClientScopes": ["roles"], "fullScopeAllowed": False}
    realm = a_realm(clients=[client], scopeMappings=[{"client": "app", "roles": ["worker"]}])

    got = claims(realm, "app", "ann")

    assert got["realm_access"] == {"roles": ["worker"]}
    assert got["resource_access"] == {"app": {"roles": ["own"]}}
    assert "aud" not in got


def test_a_scope_with_roles_is_for_those_who_have_one() -> None:
    realm = a_realm(clientScopeMappings={"api": [{"clientScope": "special", "roles": ["read"]}]})

    assert claims(realm, "app", "ann")["scope"] == "roles special"
    assert claims(realm, "app", "bob")["scope"] == "roles"


HARDCODED, ATTRIBUTE, AUDIENCE = (
    f"oidc-{kind}-mapper" for kind in ("hardcoded-claim", "usermodel-attribute", "audience")
)


@pytest.mark.parametrize(
    ("mapper", "expected"),
    [
        (_mapper(HARDCODED, "a.b", claim_value="x"), {"a": {"b": "x"}}),
        (_mapper(HARDCODED, r"a\.b", claim_value="x"), {"a.b": "x"}),
        (_mapper(HARDCODED, "n", claim_value="5", jsonType_label="int"), {"n": 5}),
        (_mapper(HARDCODED, "n", claim_value="[1]", jsonType_label="JSON"), {"n": [1]}),
        (_mapper(HARDCODED, claim_value="x"), {}),
        (_mapper(ATTRIBUTE, "team", user_attribute="team"), {"team": "red"}),
        (_mapper(ATTRIBUTE, "team", user_attribute="team", multivalued="true"), {"team": ["red", "blue"]}),
        (_mapper(ATTRIBUTE, "email", user_attribute="email"), {}),
        (_mapper(AUDIENCE, included_custom_audience="x"), {"aud": "x"}),
        (_mapper(AUDIENCE, included_custom_audience="x", access_token_claim="false"), {}),
        (_mapper("oidc-allowed-origins-mapper"), {"allowed-origins": ["https://shop.example.com"]}),
        (_mapper("oidc-some-new-mapper", "x"), {}),
    ],
)
def test_a_mapper_puts_its_claim_in_its_place(mapper: dict[str, Any], expected: dict[str, Any]) -> None:
    client = {
        "clientId": "app",
        "defaultClientScopes": [],
        "webOrigins": ["https://shop.example.com"],
        "protocolMappers": [mapper],
    }
    realm = a_realm(clients=[client], users=[{"username": "ann", "id": "1", "attributes": {"team": ["red", "blue"]}}])

    got = claims(realm, "app", "ann")

    base = {"exp", "iat", "jti", "iss", "typ", "azp", "scope"}
    assert {name: value for name, value in got.items() if name not in base} == expected


def test_a_mapper_that_we_do_not_know_is_named() -> None:
    client = {"clientId": "app", "protocolMappers": [_mapper("oidc-some-new-mapper"), _mapper("saml-role-list-mapper")]}

    assert list(unsupported_mappers(a_realm(clients=[client]))) == [
        "clients[app].protocolMappers[oidc-some-new-mapper]: oidc-some-new-mapper"
    ]
