"""Assertions by which a client proves itself (RFC 7523), good and wrong in one thing; their key is no secret.

`tests/support/realms/proof-realm.json` has the public half.
"""

from __future__ import annotations

import json
import time
from typing import Any
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc import jws
from joserfc.jwk import ECKey, OctKey

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
CLIENT = "signing-service"


def _key(number: int) -> ECKey:
    private = ec.derive_private_key(number, ec.SECP256R1())
    return ECKey.import_key(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


KEY, OTHER_KEY = _key(0x5E_ED), _key(0xBAD_5EED)

# Name → what is another than in a good one: claims, numbers of times counted from now, `...` takes one away.
CLAIMS: dict[str, dict[str, Any]] = {
    "good": {},
    "for the token endpoint": {"aud": "/protocol/openid-connect/token"},
    "for the introspection endpoint": {"aud": "/protocol/openid-connect/token/introspect"},
    "for the issuer, in a list": {"aud": [""]},
    "for two": {"aud": ["", "https://elsewhere.example"]},
    "for another provider": {"aud": "https://elsewhere.example"},
    "for nobody": {"aud": ...},
    "without issuer": {"iss": ...},
    "of another issuer": {"iss": "pem-service"},
    "without subject": {"sub": ...},
    "about another": {"sub": "pem-service"},
    "of nobody": {"iss": "nobody", "sub": "nobody"},
    "of a client that has a secret": {"iss": "secret-service", "sub": "secret-service"},
    "of a disabled client": {"iss": "closed-service", "sub": "closed-service"},
    "without end": {"exp": ...},
    "ended": {"iat": -100, "exp": -40},
    "for an hour": {"exp": 3600},
    "for an hour, without its time of issue": {"iat": ..., "exp": 3600},
    "from the future": {"iat": 100, "exp": 160},
    "by a clock that is a little ahead": {"iat": 10, "exp": 60},
    "not yet": {"nbf": 100},
    "an hour old": {"iat": -3600},
    "without number": {"jti": ...},
    "a PEM key": {"iss": "pem-service", "sub": "pem-service"},
    "another algorithm than agreed": {"iss": "rsa-service", "sub": "rsa-service"},
}
HEADS: dict[str, dict[str, Any]] = {
    "unknown key id": {"kid": "k9"},
    "no key id": {"kid": ...},
    "another type": {"typ": "at+jwt"},
}


def assertion(name: str, issuer: str) -> str:
    """By the name of a table, or of what is made below."""
    now = int(time.time())
    claims: dict[str, Any] = {
        "iss": CLIENT,
        "sub": CLIENT,
        "aud": "",
        "jti": str(uuid4()),
        "iat": 0,
        "exp": 60,
    } | CLAIMS.get(name, {})
    claims |= {times: claims[times] + now for times in ("iat", "exp", "nbf") if isinstance(claims.get(times), int)}
    claims["aud"] = _audience(claims["aud"], issuer)
    claims = {key: value for key, value in claims.items() if value is not ...}
    head = {"alg": "ES256", "typ": "JWT", "kid": "k1"} | HEADS.get(name, {})
    if name.startswith("a PEM key"):
        del head["kid"]
    head = {key: value for key, value in head.items() if value is not ...}
    body = json.dumps(claims).encode()
    match name:
        case "no JWT":
            return "garbage"
        case "by a shared secret":
            return jws.serialize_compact({**head, "alg": "HS256"}, body, OctKey.import_key("x" * 32))
        case "by another key":
            return jws.serialize_compact(head, body, OTHER_KEY)
        case "unsigned":
            signed = jws.serialize_compact(head, body, KEY)
            return f"{_unsigned_head()}.{signed.split('.')[1]}."
    return jws.serialize_compact(head, body, KEY)


def _audience(wanted: Any, issuer: str) -> Any:
    if isinstance(wanted, list):
        return [_audience(each, issuer) for each in wanted]
    return issuer + wanted if isinstance(wanted, str) and not wanted.startswith("https:") else wanted


def _unsigned_head() -> str:
    return "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0"  # {"alg":"none","typ":"JWT"}


NAMES = (*CLAIMS, *HEADS, "by another key", "by a shared secret", "unsigned", "no JWT")
