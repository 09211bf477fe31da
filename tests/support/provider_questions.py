"""The questions that are put to Keycloak and to the development provider: each grant and client, right and wrong.

The realms are the example's and those of `tests/support/realms`; what the answers say is for `provider_facts`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

from tests.support import client_proofs
from tests.support.client_proofs import ASSERTION_TYPE

FIXED_IDS = ("7d0c6a52-", "5e2b9c10-", "1c7c9d4e-")  # how the ids begin that the realm files give to users


class Question(NamedTuple):
    """One request. A form value `access_token of …` is what an earlier question brought, `assertion: …` is made now."""

    name: str
    realm: str
    form: Mapping[str, str] | str
    basic: tuple[str, str] | None = None
    endpoint: str = "token"
    authorization: str | None = None
    content_type: str = "application/x-www-form-urlencoded"


JOHN = {"grant_type": "password", "client_id": "web-app", "username": "john", "password": "secret"}
SERVICE = {"grant_type": "client_credentials"}
ORDER, PAYMENT, GATEWAY = (
    ("order-service", "order-service-secret"),
    ("payment-service", "payment-service-secret"),
    ("api-gateway", "gateway-secret"),
)
DATA = ("data-service", "data-service-secret")
POSTED = {"client_id": ORDER[0], "client_secret": ORDER[1]}
READ_WRITE = {**SERVICE, "scope": "data-service:read data-service:write"}
REFRESH = {"grant_type": "refresh_token", "client_id": "web-app"}
REFRESH_JOHN = {**REFRESH, "refresh_token": "refresh_token of password"}
REFRESH_FOREIGN = {"grant_type": "refresh_token", "refresh_token": "refresh_token of password"}
INTROSPECT = "token/introspect"

PASSWORD_QUESTIONS = (
    Question("password", "users", JOHN),
    Question("password: by e-mail", "users", {**JOHN, "username": "john@example.com"}),
    Question("password: in capitals", "users", {**JOHN, "username": "JOHN"}),
    Question("password: few roles", "users", {**JOHN, "username": "victor"}),
    Question("password: openid", "users", {**JOHN, "scope": "openid"}),
    Question("password: scopes that it has anyway", "users", {**JOHN, "scope": "profile email"}),
    Question("password: unknown scope", "users", {**JOHN, "scope": "nonsense"}),
    Question("password: a scope twice", "users", {**JOHN, "scope": "email email"}),
    Question("password: two spaces between scopes", "users", {**JOHN, "scope": "profile  email"}),
    Question("password: empty scope", "users", {**JOHN, "scope": ""}),
    Question("password: wrong password", "users", {**JOHN, "password": "wrong"}),
    Question("password: unknown user", "users", {**JOHN, "username": "nobody"}),
    Question("password: no username", "users", {k: v for k, v in JOHN.items() if k != "username"}),
    Question("password: no password", "users", {k: v for k, v in JOHN.items() if k != "password"}),
    Question("password: empty password", "users", {**JOHN, "password": ""}),
    Question("password: unknown client", "users", {**JOHN, "client_id": "nobody"}),
    Question("password: no client", "users", {k: v for k, v in JOHN.items() if k != "client_id"}),
    Question("password: a secret that a public client has not", "users", {**JOHN, "client_secret": "x"}),
    Question("password: grant disabled", "services", {**JOHN, **POSTED}),
    Question("password: username twice", "users", urlencode(JOHN) + "&username=mary"),
    Question("no grant type", "users", {"client_id": "web-app"}),
    Question("unknown grant type", "users", {**JOHN, "grant_type": "nonsense"}),
    Question("not a form", "users", json.dumps(JOHN), content_type="application/json"),
    Question("empty form", "users", ""),
)
SERVICE_QUESTIONS = (
    Question("service", "services", READ_WRITE, ORDER),
    Question("service: secret in the form", "services", {**READ_WRITE, **POSTED}),
    Question("service: no scope asked", "services", SERVICE, ORDER),
    Question("service: one scope", "services", {**SERVICE, "scope": "data-service:read"}, ORDER),
    Question("service: openid", "services", {**SERVICE, "scope": "openid"}, ORDER),
    Question("service: payment", "services", {**SERVICE, "scope": "data-service:write-payments"}, PAYMENT),
    Question(
        "service: payment's both",
        "services",
        {**SERVICE, "scope": "data-service:read data-service:write-payments"},
        PAYMENT,
    ),
    Question("service: gateway", "services", SERVICE, GATEWAY),
    Question("service: another client's scope", "services", {**SERVICE, "scope": "data-service:read"}, GATEWAY),
    Question("service: wrong secret", "services", SERVICE, (ORDER[0], "wrong")),
    Question("service: wrong secret in the form", "services", {**SERVICE, **POSTED, "client_secret": "wrong"}),
    Question("service: no secret", "services", {**SERVICE, "client_id": ORDER[0]}),
    Question("service: unknown client", "services", SERVICE, ("nobody", "secret")),
    Question("service: unknown client in the form", "services", {**SERVICE, "client_id": "nobody"}),
    Question("service: nobody", "services", SERVICE),
    Question("service: bearer-only client", "services", {**SERVICE, "client_id": "data-service"}),
    Question("service: bearer-only client, its secret", "services", SERVICE, DATA),
    Question("service: bearer-only client, wrong secret", "services", SERVICE, (DATA[0], "wrong")),
    Question("service: public client", "users", {**SERVICE, "client_id": "web-app"}),
    Question("service: broken Basic", "services", SERVICE, authorization="Basic ???"),
    Question("service: Basic without a colon", "services", SERVICE, authorization="Basic bm9ib2R5"),
    Question("service: Bearer", "services", SERVICE, authorization="Bearer x"),
    Question("service: another name in the form", "services", {**SERVICE, "client_id": PAYMENT[0]}, ORDER),
    Question("service: scope twice", "services", "grant_type=client_credentials&scope=a&scope=b", ORDER),
    Question("service: unknown realm", "nowhere", SERVICE, ORDER),
    Question(
        "exchange: standard", "services", {"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange"}, ORDER
    ),
)
REFRESH_QUESTIONS = (
    Question("refresh", "users", REFRESH_JOHN),
    Question("refresh: openid", "users", {**REFRESH, "refresh_token": "refresh_token of password: openid"}),
    Question("refresh: fewer scopes", "users", {**REFRESH_JOHN, "scope": "email"}),
    Question("refresh: unknown scope", "users", {**REFRESH_JOHN, "scope": "nonsense"}),
    Question("refresh: scope not granted", "users", {**REFRESH_JOHN, "scope": "openid"}),
    Question("refresh: nothing", "users", REFRESH),
    Question("refresh: garbage", "users", {**REFRESH, "refresh_token": "garbage"}),
    Question("refresh: an access token", "users", {**REFRESH, "refresh_token": "access_token of password"}),
    Question("refresh: unknown client", "users", {**REFRESH_JOHN, "client_id": "nobody"}),
    Question("refresh: a refreshed one", "users", {**REFRESH, "refresh_token": "refresh_token of refresh"}),
    Question("refresh: another realm's", "services", REFRESH_FOREIGN, ORDER),
)  # fmt: skip
INTROSPECTION_QUESTIONS = (
    Question("introspect", "services", {"token": "access_token of service"}, DATA, INTROSPECT),
    Question(
        "introspect: not for the one who asks", "services", {"token": "access_token of service"}, ORDER, INTROSPECT
    ),
    Question("introspect: garbage", "services", {"token": "garbage"}, ORDER, INTROSPECT),
    Question("introspect: nothing", "services", {}, ORDER, INTROSPECT),
    Question("introspect: empty", "services", {"token": ""}, ORDER, INTROSPECT),
    Question("introspect: another realm's", "services", {"token": "access_token of password"}, ORDER, INTROSPECT),
    Question("introspect: wrong secret", "services", {"token": "garbage"}, (ORDER[0], "wrong"), INTROSPECT),
    Question("introspect: unknown client", "services", {"token": "garbage"}, ("nobody", "secret"), INTROSPECT),
    Question("introspect: nobody", "services", {"token": "garbage"}, None, INTROSPECT),
    Question("introspect: public client", "users", {"token": "x", "client_id": "web-app"}, None, INTROSPECT),
    Question("introspect: not a form", "services", "{}", DATA, INTROSPECT, content_type="application/json"),
    Question("introspect: token twice", "services", "token=a&token=b", DATA, INTROSPECT),
)
ANN = {"grant_type": "password", "client_id": "app", "username": "ann", "password": "secret"}
BY_READER = {"grant_type": "password", "username": "ann", "password": "secret"}
CLOSED = ("closed-service", "closed-secret")
READER = ("reader-service", "reader-secret")
ODD_QUESTIONS = (
    Question("odd: ES256, built-in scopes", "odd", ANN),
    Question("odd: disabled user", "odd", {**ANN, "username": "dan"}),
    Question("odd: disabled user, wrong password", "odd", {**ANN, "username": "dan", "password": "wrong"}),
    Question("odd: temporary password", "odd", {**ANN, "username": "tom"}),
    Question("odd: temporary password, wrong", "odd", {**ANN, "username": "tom", "password": "wrong"}),
    Question("odd: user without a password", "odd", {**ANN, "username": "nan"}),
    Question("odd: user without names", "odd", {**ANN, "username": "bob"}),
    Question("odd: disabled public client", "odd", {**ANN, "client_id": "closed-app"}),
    Question("odd: disabled client", "odd", SERVICE, CLOSED),
    Question("odd: disabled client, wrong secret", "odd", SERVICE, ("closed-service", "wrong")),
    Question("odd: disabled service account", "odd", SERVICE, ("orphan-service", "orphan-secret")),
    Question("odd: lifetime of the client", "odd", SERVICE, ("hasty-service", "hasty-secret")),
    Question("odd: service account", "odd", SERVICE, READER),
    Question("odd: by a service", "odd", BY_READER, READER),
    Question("odd: introspect a user's", "odd", {"token": "access_token of odd: by a service"}, READER, INTROSPECT),
    Question("odd: introspect own", "odd", {"token": "access_token of odd: service account"}, READER, INTROSPECT),
    Question("odd: introspect, disabled client", "odd", {"token": "x"}, CLOSED, INTROSPECT),
    Question("shut: disabled realm", "shut", ANN),
    Question("shut: introspection", "shut", {"token": "x"}, READER, INTROSPECT),
)  # fmt: skip
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
TOKEN_TYPE = "urn:ietf:params:oauth:token-type:"
ACCESS_TOKEN = f"{TOKEN_TYPE}access_token"
SWAP = {
    "grant_type": EXCHANGE,
    "subject_token": "access_token of exchange: user",
    "subject_token_type": ACCESS_TOKEN,
    "requested_token_type": ACCESS_TOKEN,
}
SWAP_DATA = {**SWAP, "audience": "data-service"}
USER = {"grant_type": "password", "client_id": "web-app", "username": "ann", "password": "secret"}


def _swap(name: str, form: Mapping[str, str] | str, basic: tuple[str, str] | None = ORDER) -> Question:
    return Question(f"exchange: {name}", "exchange", form, basic)


def _without(form: Mapping[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in form.items() if key != name}


EXCHANGE_QUESTIONS = (
    _swap("user", USER, None),
    _swap("another user", {**USER, "username": "bob"}, None),
    _swap("one audience", SWAP_DATA),
    _swap("another user's", {**SWAP_DATA, "subject_token": "access_token of exchange: another user"}),
    _swap("no audience", SWAP),
    _swap("no requested type", _without(SWAP_DATA, "requested_token_type")),
    _swap("secret in the form", {**SWAP_DATA, "client_id": ORDER[0], "client_secret": ORDER[1]}, None),
    _swap("a scope", {**SWAP, "scope": "stock"}),
    _swap("a scope and its audience", {**SWAP, "scope": "stock", "audience": "stock-service"}),
    _swap("an audience without its scope", {**SWAP, "audience": "stock-service"}),
    _swap("a scope beside another audience", {**SWAP_DATA, "scope": "stock"}),
    _swap("own audience", {**SWAP, "audience": ORDER[0]}),
    _swap("unknown audience", {**SWAP, "audience": "nobody"}),
    _swap("disabled audience", {**SWAP, "audience": "closed-service"}),
    _swap("empty audience", {**SWAP, "audience": ""}),
    _swap("unknown scope", {**SWAP_DATA, "scope": "nonsense"}),
    _swap("openid", {**SWAP_DATA, "scope": "openid"}),
    _swap("an exchanged one again", {**SWAP_DATA, "subject_token": "access_token of exchange: one audience"}),
    _swap("not in the token's audience", SWAP_DATA, PAYMENT),
    _swap("not enabled", SWAP_DATA, ("plain-service", "plain-service-secret")),
    _swap("public client", {**SWAP_DATA, "client_id": "web-app"}, None),
    _swap("wrong secret", SWAP_DATA, (ORDER[0], "wrong")),
    _swap("unknown client", SWAP_DATA, ("nobody", "secret")),
    _swap("nobody", SWAP_DATA, None),
    _swap("no subject", _without(SWAP_DATA, "subject_token")),
    _swap("no subject type", _without(SWAP_DATA, "subject_token_type")),
    _swap("another subject type", {**SWAP_DATA, "subject_token_type": f"{TOKEN_TYPE}jwt"}),
    _swap("a refresh token asked", {**SWAP_DATA, "requested_token_type": f"{TOKEN_TYPE}refresh_token"}),
    _swap("an unknown type asked", {**SWAP_DATA, "requested_token_type": "nonsense"}),
    _swap("garbage", {**SWAP_DATA, "subject_token": "garbage"}),
    _swap("a refresh token", {**SWAP_DATA, "subject_token": "refresh_token of exchange: user"}),
    _swap("another realm's", {**SWAP_DATA, "subject_token": "access_token of password"}),
    _swap("for another subject", {**SWAP_DATA, "requested_subject": "bob"}),
    _swap("by another issuer", {**SWAP_DATA, "subject_issuer": "elsewhere"}),
    _swap("an actor", {**SWAP_DATA, "actor_token": "access_token of exchange: user", "actor_token_type": ACCESS_TOKEN}),
    _swap("subject twice", urlencode(SWAP_DATA) + "&subject_token=x"),
    _swap("own token", {"grant_type": "client_credentials"}),
    _swap("its own", {**SWAP_DATA, "subject_token": "access_token of exchange: own token"}),
)  # fmt: skip
BY_JWT = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE}
NO_PROOF = {"client_assertion_type": None, "client_assertion": None}
TWICE = "assertion that comes twice"


def _proof(name: str, change: Mapping[str, str | None] | None = None, **more: Any) -> Question:
    """`change`: None takes a parameter away. By default with a good assertion and no other name."""
    form = {**BY_JWT, "client_assertion": "assertion: good", **(change or {})}
    kept = {key: value for key, value in form.items() if value is not None}
    return Question(f"proof: {name}", "proof", kept, **more)


PROOF_QUESTIONS = (
    *(_proof(name, {"client_assertion": f"assertion: {name}"}) for name in client_proofs.NAMES),
    _proof("once", {"client_assertion": TWICE}),
    _proof("twice", {"client_assertion": TWICE}),
    _proof("and the client's name", {"client_id": client_proofs.CLIENT}),
    _proof("and another client's name", {"client_id": "pem-service"}),
    _proof("and nobody's name", {"client_id": "nobody"}),
    _proof("and a secret", {"client_secret": "x"}),
    _proof("and another client's secret", None, basic=("secret-service", "secret-service-secret")),
    _proof("no type", {"client_assertion_type": None}),
    _proof("no type, the client's name", {"client_assertion_type": None, "client_id": client_proofs.CLIENT}),
    _proof("another type", {"client_assertion_type": "x"}),
    _proof("another type, the client's name", {"client_assertion_type": "x", "client_id": client_proofs.CLIENT}),
    _proof("no assertion", {"client_assertion": None, "client_id": client_proofs.CLIENT}),
    _proof("no JWT, the client's name", {"client_assertion": "garbage", "client_id": client_proofs.CLIENT}),
    _proof("empty", {"client_assertion": ""}),
    _proof("a secret in its place", {"client_assertion": None}, basic=(client_proofs.CLIENT, "x")),
    _proof("a name in its place", {**NO_PROOF, "client_id": client_proofs.CLIENT}),
    _proof("introspection", {"token": "x"}, endpoint=INTROSPECT),
    _proof(
        "introspection, by another key",
        {"token": "x", "client_assertion": "assertion: by another key"},
        endpoint=INTROSPECT,
    ),
    _proof("certificate: none", {**NO_PROOF, "client_id": "certified-service"}),
    _proof("certificate: a secret in its place", NO_PROOF, basic=("certified-service", "x")),
)  # fmt: skip
QUESTIONS = (
    *PASSWORD_QUESTIONS,
    *SERVICE_QUESTIONS,
    *REFRESH_QUESTIONS,
    *INTROSPECTION_QUESTIONS,
    *ODD_QUESTIONS,
    *EXCHANGE_QUESTIONS,
    *PROOF_QUESTIONS,
)

DOCUMENTS = {
    "realm": "/realms/users",
    "realm: unknown": "/realms/nowhere",
    "discovery": "/realms/users/.well-known/openid-configuration",
    "discovery: services": "/realms/services/.well-known/openid-configuration",
    "discovery: unknown realm": "/realms/nowhere/.well-known/openid-configuration",
    "keys": "/realms/users/protocol/openid-connect/certs",
    "keys: ES256": "/realms/odd/protocol/openid-connect/certs",
    "keys: disabled realm": "/realms/shut/protocol/openid-connect/certs",
    "discovery: disabled realm": "/realms/shut/.well-known/openid-configuration",
    "realm: disabled": "/realms/shut",
    "keys: unknown realm": "/realms/nowhere/protocol/openid-connect/certs",
    "token endpoint: GET": "/realms/users/protocol/openid-connect/token",
    "introspection endpoint: GET": "/realms/users/protocol/openid-connect/token/introspect",
    "unknown path": "/realms/users/nothing",
}
