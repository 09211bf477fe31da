"""Requests to try a policy on before it decides real ones: who asks, how, for what. Also the examples of the docs.

A policy tells by its own words what it looks for: the text constants in it become paths, roles and names of clients,
so that its rules are reached and not only its defaults.
"""

import json
import re
from collections.abc import Iterable, Iterator
from itertools import product
from typing import NamedTuple

from authz_service.request_form import METHODS

Json = dict[str, object]

_MAX_WORDS = 64
_MAX_WORD_CHARS = 128
_MAX_PATHS = 24
_MAX_CLIENTS = 6
_EXPIRES = 4102444800  # in 2100: what the policy does with a valid token is the question here
_HEADERS: Json = {"X-User-Context": "user-123", "X-Correlation-ID": "probe-1"}
_DEEP = 60  # the verifier lets 64 pass
_CLIENT = "-client"  # the certificates' names are <service>-client
_SEGMENT = re.compile(r"[A-Za-z0-9._-]+")


class Sample(NamedTuple):
    """An input document and what to call it in a message."""

    name: str
    document: str


class _Caller(NamedTuple):
    name: str
    mtls: Json
    token: Json
    headers: Json


def samples(words: Iterable[str], headers: Iterable[str] = ()) -> Iterator[Sample]:
    """Every caller with every method and path; about 100 for a small policy, some thousands for the largest."""
    known = sorted({word for word in words if 0 < len(word) <= _MAX_WORD_CHARS})[:_MAX_WORDS]
    clients = [word for word in known if word.endswith(_CLIENT)][:_MAX_CLIENTS]
    spent = {*METHODS, *clients, *(client.removesuffix(_CLIENT) for client in clients)}
    sent: Json = dict.fromkeys([*sorted(headers), *(word for word in known if word.startswith("X-"))], "probe")
    callers = list(_callers(clients or [f"probe{_CLIENT}"], known, {**sent, **_HEADERS}))
    for path, method, caller in product(_paths(set(known) - spent), _methods(known), callers):
        yield Sample(f"{method} {path} by {caller.name}", json.dumps(_document(caller, method, path)))


def no_peer() -> Json:
    return {"verified": False, "subject": {}, "san": {"uri": [], "dns": []}}


def peer(common_name: str) -> Json:
    subject = {"CN": common_name, "O": "MyOrg"}
    return {"verified": True, "subject": subject, "san": {"uri": [], "dns": []}, "fingerprint_sha256": "0" * 64}


def user_token(roles: Iterable[str]) -> Json:
    names = list(roles)
    return {
        **_token("user-123", "web-app", names),
        "preferred_username": "john",
        "email": "john@example.com",
        "scope": " ".join(["openid", "email", *names]),
    }


def service_token(client: str, roles: Iterable[str]) -> Json:
    names = list(roles)
    return {**_token(f"service-account-{client}", client, names), "client_id": client, "scope": " ".join(names)}


def _token(subject: str, client: str, roles: list[str]) -> Json:
    return {
        "iss": "https://keycloak.example.com/realms/users",
        "sub": subject,
        "aud": ["api-gateway", "order-service"],
        "azp": client,
        "typ": "Bearer",
        "exp": _EXPIRES,
        "iat": 1700000000,
        "realm_access": {"roles": roles},
        "resource_access": {"data-service": {"roles": roles}},
    }


def _callers(clients: list[str], words: list[str], headers: Json) -> Iterator[_Caller]:
    deep: object = "end"
    for _ in range(_DEEP):
        deep = {"deep": deep}
    yield _Caller("a stranger", no_peer(), {}, {})
    yield _Caller("a user without certificate", no_peer(), user_token(words), headers)
    for client in clients:
        service = client.removesuffix(_CLIENT)
        yield _Caller(f"{client} without token", peer(client), {}, headers)
        yield _Caller(f"a user through {client}", peer(client), user_token(words), headers)
        yield _Caller(f"{client} with its own token", peer(client), service_token(service, words), headers)
    yield _Caller(f"a user without roles or headers through {clients[0]}", peer(clients[0]), user_token([]), {})
    yield _Caller(f"a deep token through {clients[0]}", peer(clients[0]), {**user_token(words), "deep": deep}, headers)


def _methods(words: list[str]) -> list[str]:
    """Those that the policy knows, and one that it does not."""
    named = [method for method in METHODS if method in words]
    return [*named, *[method for method in METHODS if method not in words][:1]]


def _paths(words: Iterable[str]) -> list[str]:
    """Paths as written in the policy first; then words that may be compared with `input.request.segments`."""
    written = [word.rstrip("/") for word in sorted(words) if word.startswith("/")]
    segments = [f"/{word}" for word in sorted(words) if _SEGMENT.fullmatch(word)]
    roots = [root for root in dict.fromkeys(["/probe", *written, *segments]) if root]
    return ["/", *[path for root in roots for path in (root, f"{root}/1")]][:_MAX_PATHS]


def _document(caller: _Caller, method: str, path: str) -> Json:
    request = {
        "method": method,
        "path": path,
        "segments": [segment for segment in path.split("/") if segment],
        "query": {},
        "host": "service.example.com",
    }
    return {
        "mtls": caller.mtls,
        "token": caller.token,
        "request": request,
        "headers": caller.headers,
        "route": "default",
        "decision_id": "probe",
    }
