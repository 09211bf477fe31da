"""What the record of Keycloak's answers cannot hold of signed JWTs: keys made anew, and time."""

import json
from collections.abc import Callable
from uuid import uuid4

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from msgspec import structs
from tests.unit.devkit.identity_provider.conftest import call

from authz_devkit.identity_provider.client_assertions import ASSERTION_TYPE
from authz_devkit.identity_provider.grants import issue_token
from authz_devkit.identity_provider.oauth import Context, OAuthError

Contexts = Callable[[str], Context]
KEY, OTHER = (RSAKey.generate_key(2048) for _ in range(2))
LOST = "Unable to load public key"


def order_service(context: Context, **attributes: str) -> Context:
    clients = tuple(
        structs.replace(client, client_authenticator_type="client-jwt", secret=None, attributes=attributes)
        if client.client_id == "order-service"
        else client
        for client in context.realm.clients
    )
    return context._replace(realm=structs.replace(context.realm, clients=clients))


def by_pem(context: Context, **attributes: str) -> Context:
    body = "".join(KEY.as_pem(private=False).decode().splitlines()[1:-1])
    return order_service(context, **{"jwt.credential.public.key": body, **attributes})


def assertion(context: Context, key: RSAKey = KEY, **changes: object) -> str:
    now = int(context.now())
    claims = {"iss": "order-service", "sub": "order-service", "aud": context.issuer, "jti": str(uuid4())}
    head = {"alg": "RS256"} | ({"kid": str(changes.pop("kid"))} if "kid" in changes else {})
    return jwt.encode(head, {**claims, "iat": now, "exp": now + 60, **changes}, key)


def answer(context: Context, proof: str) -> str:
    """What is refused, or "" with a token."""
    form = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE, "client_assertion": proof}
    try:
        issue_token(context, call(form))
    except OAuthError as refusal:
        return str(refusal.body["error_description"])
    return ""


def test_the_key_may_be_a_single_one(context: Contexts) -> None:
    """Another one does not sign for it, and a name must be its name."""
    services = by_pem(context("services"))

    assert answer(services, assertion(services)) == ""
    assert answer(services, assertion(services, OTHER)).endswith("Signature on JWT token failed validation")
    assert answer(services, assertion(services, kid="k1")) == LOST
    named = by_pem(context("services"), **{"jwt.credential.kid": "k1"})
    assert answer(named, assertion(named, kid="k1")) == ""


@pytest.mark.parametrize(
    "attributes",
    [{}, {"jwt.credential.public.key": "AAAA"}, {"use.jwks.string": "true", "jwks.string": "{"}, {"jwks.string": "{}"}],
)
def test_what_is_no_key_opens_nothing(context: Contexts, attributes: dict[str, str]) -> None:
    services = order_service(context("services"), **attributes)

    assert answer(services, assertion(services)) == LOST


def test_each_is_good_once_and_only_in_its_time(context: Contexts, clock: list[float]) -> None:
    """The same again is refused while it lives, and afterwards too; a new one is good."""
    key_set = json.dumps({"keys": [KEY.as_dict(private=False)]})
    services = order_service(context("services"), **{"use.jwks.string": "true", "jwks.string": key_set})
    first, later = assertion(services), assertion(services)

    assert answer(services, first) == ""
    assert answer(services, first) == "Token reuse detected"
    assert answer(services, assertion(services)) == ""
    clock[0] += 61
    assert answer(services, first) == answer(services, later) == "Token is not active"
