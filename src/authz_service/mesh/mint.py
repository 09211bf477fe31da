"""Tokens of the model: what an issuer would write, signed with a key of our own, so that the gate's own verifier is
asked and nothing about tokens is said twice. Nobody else believes them: the key never leaves the process.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from authz_service.domain import base64url
from authz_service.domain.signatures import PrivateKey, signed_jwt

LIFETIME = 300  # seconds: Keycloak's default
_CURVES: dict[str, tuple[ec.EllipticCurve, str, int]] = {
    "ES256": (ec.SECP256R1(), "P-256", 32),
    "ES384": (ec.SECP384R1(), "P-384", 48),
    "ES512": (ec.SECP521R1(), "P-521", 66),
}


class Mint:
    """One key for each algorithm, made when it is first needed."""

    def __init__(self, now: Callable[[], float], keys: dict[str, PrivateKey] | None = None) -> None:
        """`keys`: shared with another, which is at another time."""
        self._now = now
        self._keys = {} if keys is None else keys
        self._tokens: dict[tuple[str, str], str] = {}

    def token(self, claims: Mapping[str, object], algorithm: str, *, expired: bool = False) -> str:
        """A token that says this, from now on for some minutes; or that ended an hour ago."""
        text = json.dumps(claims, sort_keys=True, default=str)
        known = self._tokens.get((text, algorithm))
        if known is not None and not expired:
            return known
        issued = int(self._now()) - (3600 if expired else 0)
        payload = {"iat": issued, "exp": issued + LIFETIME, "jti": "model", **claims}
        token = signed_jwt(self._key(algorithm), algorithm, {"kid": algorithm}, payload)
        if not expired:
            self._tokens[text, algorithm] = token
        return token

    @property
    def algorithms(self) -> frozenset[str]:
        """Of the keys that are in use."""
        return frozenset(self._keys)

    def jwks(self) -> list[dict[str, object]]:
        """The public halves of the keys that are in use."""
        return [_jwk(algorithm, key) for algorithm, key in self._keys.items()]

    def _key(self, algorithm: str) -> PrivateKey:
        key = self._keys.get(algorithm)
        if key is None:
            key = self._keys[algorithm] = _new_key(algorithm)
        return key


def _new_key(algorithm: str) -> PrivateKey:
    if algorithm in _CURVES:
        return ec.generate_private_key(_CURVES[algorithm][0])
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _jwk(algorithm: str, key: PrivateKey) -> dict[str, object]:
    named = {"kid": algorithm, "alg": algorithm, "use": "sig"}
    if isinstance(key, RSAPrivateKey):
        numbers = key.public_key().public_numbers()
        return {**named, "kty": "RSA", "n": _number(numbers.n, 256), "e": _number(numbers.e, 3)}
    if isinstance(key, EllipticCurvePrivateKey):
        _, curve, size = _CURVES[algorithm]
        point = key.public_key().public_numbers()
        return {**named, "kty": "EC", "crv": curve, "x": _number(point.x, size), "y": _number(point.y, size)}
    raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return {**named, "kty": "OKP", "crv": "Ed25519", "x": base64url.encode(raw)}


def _number(value: int, size: int) -> str:
    return base64url.encode(value.to_bytes(size))
