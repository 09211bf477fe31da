import base64
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from msgspec import structs
from tests.unit.devkit.identity_provider.conftest import call

from authz_devkit.identity_provider.grants import introspect, issue_token, revoke
from authz_devkit.identity_provider.oauth import Context, OAuthError
from authz_realm.realm import Client

Contexts = Callable[[str], Context]
PASSWORD = {"grant_type": "password", "client_id": "web-app", "username": "john", "password": "secret"}
CREDENTIALS = {
    "grant_type": "client_credentials",
    "client_id": "order-service",
    "client_secret": "order-service-secret",
    "scope": "data-service:read",
}


def refused(context: Context, form: Mapping[str, str], **options: Any) -> tuple[int, object, object]:
    with pytest.raises(OAuthError) as caught:
        issue_token(context, call(form, **options))
    return caught.value.status, caught.value.body["error"], caught.value.body["error_description"]


def change_client(context: Context, client_id: str, /, **changes: Any) -> Context:
    clients: tuple[Client, ...] = tuple(
        structs.replace(client, **changes) if client.client_id == client_id else client
        for client in context.realm.clients
    )
    return context._replace(realm=structs.replace(context.realm, clients=clients))


def change_user(context: Context, username: str, /, **changes: Any) -> Context:
    users = tuple(
        structs.replace(user, **changes) if user.username == username else user for user in context.realm.users
    )
    return context._replace(realm=structs.replace(context.realm, users=users))


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"grant_type": None}, (400, "invalid_request", "Missing form parameter: grant_type")),
        ({"grant_type": "implicit"}, (400, "unsupported_grant_type", "Unsupported grant_type")),
        ({"client_id": None}, (401, "invalid_client", "Invalid client or Invalid client credentials")),
        ({"client_id": "nobody"}, (401, "invalid_client", "Invalid client or Invalid client credentials")),
        ({"username": None}, (401, "invalid_request", "Missing parameter: username")),
        ({"username": "nobody"}, (400, "invalid_grant", "Invalid user credentials")),
        ({"password": "guess"}, (400, "invalid_grant", "Invalid user credentials")),
        ({"password": None}, (400, "invalid_grant", "Invalid user credentials")),
        ({"scope": "admin"}, (400, "invalid_scope", "Invalid scopes: admin")),
        ({"grant_type": "client_credentials"}, (401, "unauthorized_client", None)),
    ],
)
def test_one_wrong_thing_in_a_password_grant_is_keycloak_s_error(
    context: Contexts, change: dict[str, str | None], refusal: tuple[int, str, str | None]
) -> None:
    users = context("users")
    assert issue_token(users, call(PASSWORD))["token_type"] == "Bearer"

    form = {name: value for name, value in {**PASSWORD, **change}.items() if value is not None}

    status, error, description = refused(users, form)
    assert (status, error) == refusal[:2]
    assert refusal[2] in {None, description}


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"client_secret": None}, (401, "unauthorized_client", "Invalid client or Invalid client credentials")),
        ({"client_secret": "guess"}, (401, "unauthorized_client", "Invalid client or Invalid client credentials")),
        ({"client_secret": "gateway-secret"}, (401, "unauthorized_client", None)),
        ({"client_id": "data-service"}, (401, "unauthorized_client", None)),
        ({"scope": "data-service:write-payments"}, (400, "invalid_scope", None)),
        ({"grant_type": "password"}, (400, "unauthorized_client", "Client not allowed for direct access grants")),
    ],
)
def test_one_wrong_thing_in_client_credentials_is_keycloak_s_error(
    context: Contexts, change: dict[str, str | None], refusal: tuple[int, str, str | None]
) -> None:
    services = context("services")
    answer = issue_token(services, call(CREDENTIALS))
    assert (answer["refresh_expires_in"], "refresh_token" in answer) == (0, False)

    form = {name: value for name, value in {**CREDENTIALS, **change}.items() if value is not None}

    status, error, description = refused(services, form)
    assert (status, error) == refusal[:2]
    assert refusal[2] in {None, description}


def test_a_parameter_that_comes_twice_is_refused(context: Contexts) -> None:
    assert refused(context("users"), PASSWORD, duplicated=True)[1:] == ("invalid_request", "duplicated parameter")


@pytest.mark.parametrize(
    ("secret", "credentials", "accepted"),
    [
        ("p:q +", b"order-service:p%3Aq+%2B", True),
        ("p:q", b"order-service:p:q", True),  # the first colon parts the two
        ("p:q +", b"order-service:p:q +", False),
        ("p:q +", b"order-service", False),
        ("p:q +", b"\xff:p%3Aq+%2B", False),
    ],
)
def test_basic_credentials_are_form_encoded_before_base64(
    context: Contexts, secret: str, credentials: bytes, *, accepted: bool
) -> None:
    """RFC 6749 §2.3.1."""
    services = change_client(context("services"), "order-service", secret=secret)
    authorization = "Basic " + base64.b64encode(credentials).decode()
    form = {"grant_type": "client_credentials"}

    if accepted:
        assert issue_token(services, call(form, authorization))
    else:
        assert refused(services, form, authorization=authorization)[0] == 401


def test_what_is_switched_off_gets_no_token(context: Contexts) -> None:
    """The user, the client, the service account, the bearer-only client."""
    users, services = context("users"), context("services")

    assert refused(change_user(users, "john", enabled=False), PASSWORD) == (400, "invalid_grant", "Account disabled")
    assert refused(change_client(users, "web-app", enabled=False), PASSWORD)[:2] == (401, "invalid_client")
    account = change_user(services, "service-account-order-service", enabled=False)
    assert refused(account, CREDENTIALS)[:2] == (401, "invalid_request")
    bearer = change_client(services, "order-service", bearer_only=True)
    assert refused(bearer, CREDENTIALS) == (400, "invalid_client", "Bearer-only not allowed")


def refresh(token: object, client_id: str = "web-app", **more: str) -> dict[str, str]:
    return {"grant_type": "refresh_token", "client_id": client_id, "refresh_token": str(token), **more}


def test_a_refresh_token_gives_the_same_user_the_same_session(context: Contexts) -> None:
    users = context("users")
    first = issue_token(users, call({**PASSWORD, "scope": "openid email"}))

    second = issue_token(users, call(refresh(first["refresh_token"])))

    old, new = users.keys.read(str(first["access_token"])), users.keys.read(str(second["access_token"]))
    assert old is not None
    assert new is not None
    assert {**old, "jti": new["jti"]} == new
    assert old["jti"] != new["jti"]


def test_a_refresh_token_that_is_not_good_is_refused(context: Contexts, clock: list[float]) -> None:
    """Garbage, an access token, another realm's, another client's, a removed user's, an old one."""
    users = context("users")
    good = issue_token(users, call(PASSWORD))
    assert issue_token(users, call(refresh(good["refresh_token"])))

    invalid = (400, "invalid_grant", "Invalid refresh token")
    assert refused(users, refresh("garbage")) == invalid
    assert refused(users, refresh(good["access_token"])) == invalid
    assert refused(users._replace(issuer="https://elsewhere/realms/users"), refresh(good["refresh_token"])) == invalid
    other = change_client(users, "web-app", client_id="mobile")
    assert "don't match" in str(refused(other, refresh(good["refresh_token"], "mobile"))[2])
    gone = change_user(users, "john", enabled=False)
    assert refused(gone, refresh(good["refresh_token"])) == (400, "invalid_grant", "User disabled")
    assert refused(users, {"grant_type": "refresh_token", "client_id": "web-app"})[2] == "No refresh token"
    clock[0] += 1800
    assert refused(users, refresh(good["refresh_token"])) == (400, "invalid_grant", "Token is not active")


CALLER = {"client_id": "data-service", "client_secret": "data-service-secret"}  # whom the tokens are for


def test_introspection_says_what_a_live_token_says(context: Contexts, clock: list[float]) -> None:
    services = context("services")
    token = str(issue_token(services, call(CREDENTIALS))["access_token"])
    inactive = {"active": False}

    answer = introspect(services, call({**CALLER, "token": token}))
    assert (answer["active"], answer["client_id"], answer["aud"]) == (True, "order-service", "data-service")
    assert answer["username"] == "service-account-order-service"
    payment = {"client_id": "payment-service", "client_secret": "payment-service-secret"}
    assert introspect(services, call({**payment, "token": token})) == inactive

    assert introspect(services, call({**CALLER, "token": token[:-4] + "AAAA"})) == inactive
    assert introspect(services._replace(issuer="https://x"), call({**CALLER, "token": token})) == inactive
    removed = change_user(services, "service-account-order-service", enabled=False)
    assert introspect(removed, call({**CALLER, "token": token})) == inactive
    clock[0] += 300
    assert introspect(services, call({**CALLER, "token": token})) == inactive


@pytest.mark.parametrize(
    ("realm", "form", "status", "description"),
    [
        ("services", {**CALLER, "client_secret": "guess"}, 401, "Client authentication failed."),
        ("users", {"client_id": "web-app"}, 403, "Client not allowed."),
        ("services", CALLER, 400, "Token not provided."),
    ],
)
def test_not_everybody_may_introspect(
    context: Contexts, realm: str, form: dict[str, str], status: int, description: str
) -> None:
    with pytest.raises(OAuthError) as caught:
        introspect(context(realm), call(form))
    assert (caught.value.status, caught.value.body["error_description"]) == (status, description)


OWN = {"client_id": CREDENTIALS["client_id"], "client_secret": CREDENTIALS["client_secret"]}


def test_a_client_takes_its_own_access_token_back(context: Contexts) -> None:
    """That one, and no other; a second time is no error (RFC 7009 §2.2)."""
    services = context("services")
    first, second = (str(issue_token(services, call(CREDENTIALS))["access_token"]) for _ in range(2))

    for _ in range(2):
        revoke(services, call({**OWN, "token": first}))
    assert introspect(services, call({**CALLER, "token": first})) == {"active": False}
    assert introspect(services, call({**CALLER, "token": second}))["active"] is True


def test_a_session_is_taken_back_by_its_refresh_token(context: Contexts) -> None:
    """With all its access tokens; it cannot be refreshed any more, another session can."""
    users = context("users")
    gone, other = issue_token(users, call(PASSWORD)), issue_token(users, call(PASSWORD))
    revoke(users, call({"client_id": "web-app", "token": str(gone["refresh_token"])}))

    assert refused(users, refresh(gone["refresh_token"])) == (400, "invalid_grant", "Token is not active")
    assert issue_token(users, call(refresh(other["refresh_token"])))["access_token"]
    assert users.revoked.covers(claims_of(users, gone))
    assert not users.revoked.covers(claims_of(users, other))


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({**CALLER}, 400, "invalid_token"),
        ({**OWN, "client_secret": "guess"}, 401, "unauthorized_client"),
        ({"client_id": "nobody"}, 401, "invalid_client"),
    ],
)
def test_nobody_else_takes_a_token_back(context: Contexts, form: dict[str, str], status: int, error: str) -> None:
    """It stays active; garbage is nobody's and no error."""
    services = context("services")
    token = str(issue_token(services, call(CREDENTIALS))["access_token"])

    with pytest.raises(OAuthError) as caught:
        revoke(services, call({**form, "token": token}))
    assert (caught.value.status, caught.value.body["error"]) == (status, error)
    assert introspect(services, call({**CALLER, "token": token}))["active"] is True
    revoke(services, call({**OWN, "token": "garbage"}))


def claims_of(context: Context, answer: Mapping[str, object]) -> dict[str, object]:
    claims = context.keys.read(str(answer["access_token"]))
    assert claims is not None
    return claims
