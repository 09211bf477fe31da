"""What an identity provider says to each question of a list: statuses, errors and claims, without what is drawn by lot.

The same list is put to Keycloak and to the development provider; what Keycloak said lies in `GOLDEN`.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
from tests.support.client_proofs import assertion
from tests.support.provider_questions import DOCUMENTS, FIXED_IDS, QUESTIONS, TWICE, Question

Json = dict[str, Any]
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_LISTS_WITHOUT_ORDER = ("aud", "aud_x", "roles", "scopes_supported")
_DRAWN_BY_LOT = {
    "kid", "n", "x", "y", "x5c", "x5t", "x5t#S256", "public_key", "sid", "session_state", "at_hash", "clientHost",
    "clientAddress", "refresh_token",  # the last is for the provider's own eyes only
}  # fmt: skip
_LIFETIME_OF = {"expires_in": "access_token", "refresh_expires_in": "refresh_token"}
_HEADERS = ("content-type", "cache-control", "pragma", "www-authenticate")
GOLDEN = Path(__file__).parents[1] / "golden" / "keycloak" / "facts.json"
Send = Callable[[httpx.Request], httpx.Response]


def gather_facts(base_url: str, send: Send) -> Json:
    """Name of the question → status, headers and body, comparable between two providers."""
    facts: Json = {}
    tokens = {TWICE: assertion("good", f"{base_url}/realms/proof")}
    for question in QUESTIONS:
        answer = send(_request(base_url, question, tokens))
        facts[question.name] = _fact(answer)
        if answer.status_code == httpx.codes.OK:
            tokens |= {f"{kind} of {question.name}": value for kind, value in answer.json().items() if "token" in kind}
    for name, path in DOCUMENTS.items():  # afterwards: Keycloak makes an EC key when it is first needed
        facts[name] = _fact(send(httpx.Request("GET", base_url + path)))
    return facts


def differences(keycloak: Json, development: Json) -> list[str]:
    """Where the development provider says anything else than Keycloak. A document may say less, but nothing else."""
    return [
        f"{name}{difference}"
        for name in (*(question.name for question in QUESTIONS), *DOCUMENTS)
        for difference in _differences(keycloak[name], development[name], subset=name.startswith(("discovery", "keys")))
    ]


def _differences(wanted: Any, found: Any, at: str = "", *, subset: bool) -> Iterator[str]:
    if isinstance(wanted, dict) and isinstance(found, dict):
        for name in sorted(found if subset else wanted.keys() | found.keys()):
            yield from _differences(wanted.get(name), found.get(name), f"{at}/{name}", subset=subset)
    elif isinstance(wanted, list) and isinstance(found, list) and subset:
        if strangers := [item for item in found if item not in wanted]:
            yield f"{at}: Keycloak has no {strangers}"
    elif wanted != found:
        yield f"{at}: Keycloak says {wanted!r}, we say {found!r}"


def _request(base_url: str, question: Question, tokens: Mapping[str, str]) -> httpx.Request:
    body = question.form
    if not isinstance(body, str):
        issuer = f"{base_url}/realms/{question.realm}"
        body = urlencode({name: _value(value, issuer, tokens) for name, value in body.items()})
    headers = {"content-type": question.content_type}
    authorization = question.authorization
    if question.basic is not None:
        authorization = "Basic " + base64.b64encode(":".join(question.basic).encode()).decode()
    if authorization is not None:
        headers["authorization"] = authorization
    url = f"{base_url}/realms/{question.realm}/protocol/openid-connect/{question.endpoint}"
    return httpx.Request("POST", url, content=body.encode(), headers=headers)


def _value(written: str, issuer: str, tokens: Mapping[str, str]) -> str:
    kind, _, name = written.partition("assertion: ")
    return assertion(name, issuer) if name and not kind else tokens.get(written, written)


def _fact(answer: httpx.Response) -> Json:
    try:
        body = answer.json()
    except ValueError:
        body = answer.text
    found = {name: answer.headers[name].lower() for name in _HEADERS if name in answer.headers}
    body = _steady(body) if isinstance(body, dict) else body
    return {"status": answer.status_code, "headers": found, "body": body}


def _steady(body: Json) -> Json:
    """Tokens that others read are opened; ids, times and keys become words."""
    return {name: _steady_value(name, value) for name, value in sorted(_opened(body))}


def _opened(body: Json) -> Iterator[tuple[str, Any]]:
    issued = body.get("iat", 0)
    for name, value in body.items():
        if name in {"exp", "iat", "nbf", "auth_time"} and isinstance(value, int):
            yield name, "now" if value == issued else f"now + {value - issued}"
        elif (token := body.get(_LIFETIME_OF.get(name, ""))) is not None:
            claims = _parts(token)[1]
            lifetime = claims["exp"] - claims["iat"]
            yield name, lifetime if value == lifetime - 1 else value  # a second may pass while Keycloak answers
        elif name.endswith("_token") and isinstance(value, str) and value.count(".") == 2:
            yield name, _token(value)
        else:
            yield name, value


def _token(token: str) -> Json:
    head, claims = _parts(token)
    return {"header": _steady(head), "claims": _steady(claims)}


def _parts(token: str) -> list[Json]:
    return [json.loads(base64.urlsafe_b64decode(part + "==")) for part in token.split(".")[:2]]


def _steady_value(name: str, value: Any) -> Any:
    if name in _DRAWN_BY_LOT or (name == "sub" and not value.startswith(FIXED_IDS)):
        return f"<{name}>"
    match value:
        case dict():
            return _steady(value)
        case [dict(), *_]:
            return sorted((_steady(item) for item in value), key=json.dumps)
        case list():
            return sorted(value) if name in _LISTS_WITHOUT_ORDER else value
        case str():
            words = _UUID.sub("<id>", value) if name == "jti" else value
            return " ".join(sorted(words.split(" "))) if name == "scope" else words
    return value
