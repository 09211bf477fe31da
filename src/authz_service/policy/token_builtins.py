"""OPA's `io.jwt.*` for tokens that the sidecar has not verified (RFC 7515, 7517, 7519). Not the caller's own token.

Follows OPA, also where it is more lenient than `identity`: the policy decides what it asks for. One thing is otherwise:
a token that cannot be read is not verified, where OPA has undefined, for here an error refuses the whole request.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from authz_service.policy.token_keys import (
    ALGORITHMS,
    BuiltinError,
    Json,
    Key,
    base64url,
    json_object,
    keys_in,
    require_text,
)

_HASHES: dict[str, hashes.HashAlgorithm] = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
_UNVERIFIED: tuple[bool, Json, Json] = (False, {}, {})


class _Token(NamedTuple):
    signed: bytes
    header: Json
    payload: bytes
    signature: bytes

    def text(self, name: str) -> str:
        """A header parameter; "" when it is absent."""
        value = self.header.get(name, "")
        if not isinstance(value, str):
            raise BuiltinError(f"{name}: must be a string")
        return value


def decode(token: object) -> tuple[Json, Json, str]:
    """Header, payload and signature in hex, nothing of it verified. A token in a token is the inner one."""
    found = _read(token)
    while found.header.get("cty") == "JWT":
        found = _read(found.payload.decode().strip("\"'"))
    return found.header, json_object(found.payload), found.signature.hex()


def verify_signature(algorithm: str, token: object, keys: object) -> bool:
    """`keys`: a certificate or public key in PEM, a JWK or a JWKS."""
    known = keys_in(require_text(keys))
    try:
        found = _read(token)
        return any(_is_signed(found, each.key, algorithm) for each in _candidates(found, known))
    except ValueError:
        return False


def verify_hmac(algorithm: str, token: object, secret: object) -> bool:
    key = require_text(secret).encode()
    try:
        return _is_signed(_read(token), key, algorithm)
    except ValueError:
        return False


def decode_verify(token: object, constraints: object, now_ns: float) -> tuple[bool, Json, Json]:
    """Whether the token meets all constraints, and if so its header and payload. Wrong constraints are an error."""
    rules = _constraints(constraints, now_ns)
    try:
        return _verified(token, rules)
    except ValueError:
        return _UNVERIFIED


def _verified(token: object, rules: _Constraints) -> tuple[bool, Json, Json]:
    while True:
        found = _read(token)
        algorithm = found.text("alg")
        for name in ("kid", "typ"):
            found.text(name)
        if not algorithm or _unknown_critical(found.header) or rules.alg not in ("", algorithm):
            return _UNVERIFIED
        candidates = [Key(rules.secret)] if rules.secret else _candidates(found, rules.keys or ())
        if not any(_is_signed(found, each.key, algorithm) for each in candidates):
            return _UNVERIFIED
        if found.text("cty").upper() != "JWT":
            break
        token = found.payload.decode()
    payload = json_object(found.payload)
    return (True, found.header, payload) if _meets(payload, rules) else _UNVERIFIED


class _Constraints(NamedTuple):
    keys: tuple[Key, ...] | None = None
    secret: bytes = b""
    alg: str = ""
    iss: str = ""
    aud: str = ""
    time: float = 0.0  # nanoseconds since the epoch


def _constraints(given: object, now_ns: float) -> _Constraints:
    if not isinstance(given, Mapping):
        raise BuiltinError("the constraints must be an object")
    rules, texts = _Constraints(time=now_ns), {"alg": "", "iss": "", "aud": ""}
    for name, value in given.items():
        if name == "cert":
            rules = rules._replace(keys=keys_in(require_text(value)))
        elif name == "secret":
            rules = rules._replace(secret=require_text(value).encode())
        elif name in texts:
            texts[name] = require_text(value)
        elif name == "time":
            rules = rules._replace(time=_number(value, "time"))
        else:
            raise BuiltinError("unknown token validation constraint")
    rules = rules._replace(alg=texts["alg"], iss=texts["iss"], aud=texts["aud"])
    if rules.time < 0:
        raise BuiltinError("time: must not be negative")
    if (rules.keys is None) == (not rules.secret):
        raise BuiltinError("either cert or secret is needed")
    return rules


def _meets(payload: Json, rules: _Constraints) -> bool:
    issuer, audience = payload.get("iss"), payload.get("aud")
    if rules.iss and issuer != rules.iss:
        return False
    if "aud" in payload or rules.aud:
        audiences = audience if isinstance(audience, list) else [audience]
        if rules.aud not in [each for each in audiences if isinstance(each, str)]:
            return False
    now = rules.time / 1e9
    if "exp" in payload and now >= _number(payload["exp"], "exp"):
        return False
    return "nbf" not in payload or now >= _number(payload["nbf"], "nbf")


def _unknown_critical(header: Json) -> bool:
    """RFC 7515 §4.1.11: a critical parameter that is there and that we do not know makes the token invalid."""
    if "crit" not in header:
        return False
    critical = header["crit"]
    if not isinstance(critical, list) or not critical:
        raise BuiltinError("crit: must be a nonempty list")
    known = {"alg", "kid", "typ", "cty", "crit"}
    return any(name in header and name not in known for name in critical if isinstance(name, str))


def _candidates(token: _Token, keys: tuple[Key, ...]) -> list[Key]:
    """The key that the token names, or all that could be it."""
    kid, algorithm = token.text("kid"), token.text("alg")
    named = [each for each in keys if kid and each.kid == kid]
    return named[:1] or [each for each in keys if each.alg in ("", algorithm)]


def _is_signed(token: _Token, key: PublicKeyTypes | bytes, algorithm: str) -> bool:
    """The algorithm and the kind of key have to fit: a public key is never taken for a secret."""
    if algorithm not in ALGORITHMS:
        return False
    check = _CHECKS[algorithm[:2]]
    try:
        return check(key, token, algorithm[2:])
    except (InvalidSignature, ValueError):
        return False


def _check_hmac(key: PublicKeyTypes | bytes, token: _Token, size: str) -> bool:
    return isinstance(key, bytes) and hmac.compare_digest(
        hmac.new(key, token.signed, f"sha{size}").digest(), token.signature
    )


def _check_rsa(key: PublicKeyTypes | bytes, token: _Token, size: str) -> bool:
    if not isinstance(key, rsa.RSAPublicKey):
        return False
    key.verify(token.signature, token.signed, padding.PKCS1v15(), _HASHES[size])
    return True


def _check_pss(key: PublicKeyTypes | bytes, token: _Token, size: str) -> bool:
    if not isinstance(key, rsa.RSAPublicKey):
        return False
    salted = padding.PSS(padding.MGF1(_HASHES[size]), padding.PSS.AUTO)
    key.verify(token.signature, token.signed, salted, _HASHES[size])
    return True


def _check_ecdsa(key: PublicKeyTypes | bytes, token: _Token, size: str) -> bool:
    if not isinstance(key, ec.EllipticCurvePublicKey):
        return False
    half = len(token.signature) // 2
    r, s = (int.from_bytes(part, "big") for part in (token.signature[:half], token.signature[half:]))
    key.verify(encode_dss_signature(r, s), token.signed, ec.ECDSA(_HASHES[size]))
    return True


def _check_eddsa(key: PublicKeyTypes | bytes, token: _Token, size: str) -> bool:
    del size
    if not isinstance(key, ed25519.Ed25519PublicKey):
        return False
    key.verify(token.signature, token.signed)
    return True


_CHECKS: dict[str, Callable[[PublicKeyTypes | bytes, _Token, str], bool]] = {
    "HS": _check_hmac,
    "RS": _check_rsa,
    "PS": _check_pss,
    "ES": _check_ecdsa,
    "Ed": _check_eddsa,
}


def _read(token: object) -> _Token:
    parts = require_text(token).split(".")
    if len(parts) != 3:
        raise BuiltinError(f"a token has three parts, not {len(parts)}")
    header = json_object(base64url(parts[0]))
    if "enc" in header:
        raise BuiltinError("an encrypted token (JWE) is not supported")
    return _Token(f"{parts[0]}.{parts[1]}".encode(), header, base64url(parts[1]), base64url(parts[2]))


def _number(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BuiltinError(f"{name}: must be a number")
    return value
