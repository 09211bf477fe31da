"""Whose token it is, in the shapes that providers write: what cannot be told is a service's."""

from typing import NamedTuple

import msgspec
import pytest
from tests.support.tokens import AUDIENCE, ISSUER, LEEWAY, NOW, changed

from authz_service.domain.refusals import Reason, Rejected
from authz_service.domain.rules import IssuerRules
from authz_service.identity.claims import require_claims
from authz_service.identity.service_tokens import client_of, is_service

RULES = IssuerRules(ISSUER, (AUDIENCE,), ("RS256",), LEEWAY)
COMMON = {"iss": ISSUER, "aud": AUDIENCE, "exp": int(NOW) + 300, "iat": int(NOW) - 1}


class Shape(NamedTuple):
    """What a provider writes beside the claims of every token."""

    name: str
    claims: dict[str, object]
    client: str = "shop"


SERVICES = [
    Shape("keycloak", {"typ": "Bearer", "sub": "7f", "azp": "shop", "preferred_username": "service-account-shop"}),
    Shape("keycloak without service_account and profile", {"typ": "Bearer", "sub": "7f", "azp": "shop"}),
    Shape("keycloak without basic too", {"typ": "Bearer", "azp": "shop", "scope": "email"}),
    Shape("keycloak, client_id only", {"typ": "Bearer", "sub": "7f", "azp": "shop", "client_id": "shop"}),
    Shape("entra v2, app-only", {"sub": "o1", "oid": "o1", "azp": "shop", "azpacr": "1", "idtyp": "app", "ver": "2.0"}),
    Shape("entra v2, app-only, no idtyp", {"sub": "o1", "oid": "o1", "azp": "shop", "roles": ["Orders.Read"]}),
    Shape("entra v1, app-only", {"sub": "o1", "oid": "o1", "appid": "shop", "appidacr": "1", "ver": "1.0"}),
    Shape("auth0, machine", {"sub": "shop@clients", "azp": "shop", "gty": "client-credentials"}),
    Shape("auth0, machine, RFC 9068", {"sub": "shop@clients", "client_id": "shop"}),
    Shape("okta, machine", {"sub": "shop", "cid": "shop", "scp": ["orders.read"]}),
    Shape("cognito, machine", {"sub": "shop", "client_id": "shop", "token_use": "access"}),
    Shape(
        "uaa, machine",
        {"sub": "shop", "client_id": "shop", "cid": "shop", "azp": "shop", "grant_type": "client_credentials"},
    ),
    Shape("hydra and RFC 9068, machine", {"sub": "shop", "client_id": "shop"}),
    Shape("duende, machine: no sub", {"client_id": "shop", "scope": ["orders.read"]}),
    Shape("kubernetes", {"sub": "system:serviceaccount:shop:orders", "kubernetes.io": {"namespace": "shop"}}, ""),
    Shape("azp says nothing", {"sub": "u1", "azp": "shop"}),
    Shape("no client at all", {"sub": "u1"}, ""),
    Shape("two clients", {"sub": "shop", "azp": "shop", "client_id": "till"}, ""),
]
USERS = [
    Shape("keycloak", {"typ": "Bearer", "sub": "7f", "azp": "shop", "preferred_username": "jo"}),
    Shape("keycloak with a mapper",
          {"typ": "Bearer", "sub": "7f", "azp": "shop", "client_id": "shop", "preferred_username": "jo"}),
    Shape("entra v2", {"sub": "p1", "oid": "o2", "azp": "shop", "scp": "orders.read"}),
    Shape("entra v1", {"sub": "p1", "oid": "o2", "appid": "shop", "scp": "user_impersonation"}),
    Shape("auth0, RFC 9068", {"sub": "auth0|1", "client_id": "shop", "jti": "j", "scope": "openid"}),
    Shape("okta", {"sub": "jo@example.com", "uid": "00u1", "cid": "shop", "scp": ["openid"]}),
    Shape("cognito", {"sub": "7f", "client_id": "shop", "token_use": "access", "username": "jo"}),
    Shape("zitadel", {"sub": "2890", "client_id": "shop", "jti": "j"}),
    Shape("hydra, pingone, forgerock", {"sub": "jo", "client_id": "shop"}),
    Shape("duende", {"sub": "u1", "client_id": "shop", "scope": ["openid", "orders.read"], "amr": ["pwd"]}),
    Shape("uaa", {"sub": "u1", "client_id": "shop", "cid": "shop", "azp": "shop", "user_name": "jo"}),
]  # fmt: skip


@pytest.mark.parametrize("shape", SERVICES, ids=lambda shape: shape.name)
def test_a_machines_token_is_a_services(shape: Shape) -> None:
    """And so is whatever nobody can tell."""
    claims = require_claims({**COMMON, **shape.claims}, RULES, NOW).claims

    assert claims.is_service
    assert claims.client == shape.client


@pytest.mark.parametrize("shape", USERS, ids=lambda shape: shape.name)
def test_a_persons_token_is_a_users(shape: Shape) -> None:
    """Whoever may connect may bring it; with the client as its `sub` it would be that client's own."""
    claims = require_claims({**COMMON, **shape.claims}, RULES, NOW).claims

    assert not claims.is_service
    assert claims.client == shape.client
    assert is_service({**shape.claims, "sub": shape.client}, RULES)


MACHINE, PERSON = {"sub": "m1", "azp": "shop", "kind": "robot"}, {"sub": "u1", "azp": "shop", "kind": "human"}


@pytest.mark.parametrize(
    ("changes", "service", "user"),
    [
        ({"service_tokens": "claim", "service_claims": (("kind", "robot"), ("x", "y"))}, MACHINE, PERSON),
        ({"service_tokens": "rfc9068"}, {"sub": "shop", "azp": "shop"}, {"sub": "u1", "azp": "shop"}),
        ({"service_tokens": "rfc9068"}, {"sub": "u1"}, {"sub": "u1", "appid": "shop"}),
        ({"service_tokens": "keycloak"}, {"sub": "u1", "client_id": "x"}, {"sub": "u1", "preferred_username": "jo"}),
        (
            {"service_tokens": "rfc9068", "client_claim": "aud"},
            {"sub": "shop", "aud": ["shop"]},
            {"sub": "jo", "aud": ["shop"]},
        ),
        ({"service_tokens": "rfc9068", "client_claim": "aud"}, {"sub": "jo", "aud": ["shop", "till"]}, None),
        (
            {"service_tokens": "by_client", "user_clients": ("web", "app")},
            {"sub": "2890", "client_id": "robot"},
            {"sub": "2891", "client_id": "web"},
        ),
        ({"service_tokens": "by_client", "user_clients": ("web",)}, {"sub": "2890"}, {"sub": "2891", "azp": "web"}),
        ({"service_tokens": "by_client", "user_clients": ("web",)}, {"sub": "web", "azp": "web"}, None),
        ({"service_tokens": "by_client", "user_clients": ("web",)}, {"sub": "1", "azp": "web", "client_id": "x"}, None),
        ({"service_tokens": "all"}, {"preferred_username": "jo", "typ": "Bearer"}, None),
        ({"service_tokens": "none"}, None, {"sub": "shop", "azp": "shop", "gty": "client-credentials"}),
    ],
)
def test_the_configuration_may_say_how_they_are_told(
    changes: dict[str, object], service: dict[str, object] | None, user: dict[str, object] | None
) -> None:
    rules = msgspec.structs.replace(RULES, **changes)

    assert service is None or is_service(service, rules)
    assert user is None or not is_service(user, rules)


def test_the_configuration_may_say_where_the_client_is() -> None:
    """One claim, and no other then."""
    rules = msgspec.structs.replace(RULES, client_claim="sub")

    assert client_of({"sub": "system:serviceaccount:shop:orders", "azp": "other"}, rules) != "other"
    assert client_of({"azp": "other"}, rules) == ""
    assert client_of({"sub": ["x"]}, rules) == "x"
    assert client_of({"sub": ["x", "y"]}, rules) == ""


def test_only_a_user_needs_a_sub() -> None:
    """Keycloak 25 and newer leaves it out without the client scope `basic`, and the refusal says so."""
    user = {**COMMON, "typ": "Bearer", "sub": "7f", "azp": "shop", "preferred_username": "jo"}
    service = {**user, "preferred_username": "service-account-shop"}

    require_claims(changed(user, {}), RULES, NOW)
    require_claims(changed(service, {"sub": ...}), RULES, NOW)
    for missing in (..., None, ""):
        with pytest.raises(Rejected) as refusal:
            require_claims(changed(user, {"sub": missing}), RULES, NOW)
        assert refusal.value.reason is Reason.TOKEN_CLAIMS_INVALID
        assert "sub is missing" in refusal.value.detail
        assert "basic" in refusal.value.detail


@pytest.mark.parametrize("nothing", [None, ""])
@pytest.mark.parametrize("name", ["email", "azp", "client_id", "preferred_username", "scope", "resource_access"])
def test_an_optional_claim_without_a_value_is_absent(name: str, nothing: object) -> None:
    """Neither policy nor header sees it; one with a wrong value is refused as before."""
    payload = {**COMMON, "sub": "u1", "cid": "shop", name: nothing}

    found = require_claims(payload, RULES, NOW).claims

    assert name not in found.values
    with pytest.raises(Rejected):
        require_claims({**payload, name: 5}, RULES, NOW)


def test_roles_without_a_value_are_no_roles() -> None:
    for roles in ({"realm_access": None}, {"realm_access": {"roles": None}}, {"resource_access": {"a": None}}):
        require_claims({**COMMON, "sub": "u1", **roles}, RULES, NOW)
    wrongs: list[dict[str, object]] = [
        {"realm_access": []},
        {"realm_access": {"roles": "admin"}},
        {"resource_access": {"a": "x"}},
    ]
    for wrong in wrongs:
        with pytest.raises(Rejected):
            require_claims({**COMMON, "sub": "u1", **wrong}, RULES, NOW)


def test_a_scope_may_be_a_list() -> None:
    """Policies and headers see the string that it stands for; a word with a space in it would become two."""
    listed = require_claims({**COMMON, "sub": "u1", "scope": ["openid", "orders.read"]}, RULES, NOW).claims
    text = require_claims({**COMMON, "sub": "u1", "scope": "openid orders.read"}, RULES, NOW).claims

    assert listed.values == text.values
    for wrong in (["a b"], ["a", ""], ["a", 1], {"a": "b"}, 7, ["a\tb"]):
        with pytest.raises(Rejected) as refusal:
            require_claims({**COMMON, "sub": "u1", "scope": wrong}, RULES, NOW)
        assert refusal.value.reason is Reason.TOKEN_CLAIMS_INVALID


def test_the_audience_may_be_in_another_claim() -> None:
    """Cognito writes none but `client_id`; an `aud` that is there all the same must be ours, too (RFC 7519 §4.1.3)."""
    rules = msgspec.structs.replace(RULES, audiences=("shop",), audience_claim="client_id")
    good = changed(COMMON, {"aud": ..., "sub": "7f", "client_id": "shop"})

    require_claims(good, rules, NOW)
    require_claims({**good, "aud": ["shop", "x"]}, rules, NOW)
    for wrong in ({"client_id": "till"}, {"client_id": ...}, {"client_id": ..., "aud": "shop"}, {"aud": "till"}):
        with pytest.raises(Rejected) as refusal:
            require_claims(changed(good, wrong), rules, NOW)
        assert refusal.value.reason is Reason.TOKEN_AUDIENCE_REFUSED
    with pytest.raises(Rejected) as refusal:
        require_claims(good, RULES, NOW)
    assert (refusal.value.reason, refusal.value.detail) == (Reason.TOKEN_AUDIENCE_REFUSED, "aud is missing")
