"""Mints tokens and key sets of any shape, good or hostile, with `cryptography` alone: no code of the product."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from functools import cache
from types import EllipsisType
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
Changes = Mapping[str, object | EllipsisType]  # `...` removes the member

NOW = 1_800_000_000.0
ISSUER = "https://idp.example/realms/users"
AUDIENCE = "order-service"
LEEWAY = 30.0
_HASHES: dict[str, HashAlgorithm] = {"256": SHA256(), "384": SHA384(), "512": SHA512()}
_CURVES: dict[str, ec.EllipticCurve] = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}


class Signer(NamedTuple):
    """A key, the name it is published under, and the algorithm it signs with."""

    kid: str
    alg: str
    key: PrivateKey


@cache
def rsa_key(name: str = "rsa-1", bits: int = 2048, exponent: int = 65537) -> rsa.RSAPrivateKey:
    """One key per name and process: making them is slow."""
    return rsa.generate_private_key(exponent, bits)


@cache
def ec_key(name: str = "ec-1", curve: str = "P-256") -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(_CURVES[curve])


@cache
def ed_key(name: str = "ed-1") -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.generate()


def an_rsa_signer() -> Signer:
    return Signer("rsa-1", "RS256", rsa_key())


def an_ec_signer() -> Signer:
    return Signer("ec-1", "ES256", ec_key())


def b64(octets: bytes) -> str:
    return urlsafe_b64encode(octets).rstrip(b"=").decode()


def changed(members: Mapping[str, object], changes: Changes) -> dict[str, object]:
    """The members with the changes; `...` removes one."""
    return {name: value for name, value in {**members, **changes}.items() if value is not ...}


def good_claims(now: float = NOW, **changes: object) -> dict[str, object]:
    """A user's access token as Keycloak writes it."""
    claims: dict[str, object] = {
        "exp": int(now) + 300,
        "iat": int(now) - 10,
        "jti": "5a1c",
        "iss": ISSUER,
        "aud": ["api-gateway", AUDIENCE],
        "sub": "f1b2c3d4-0000-4000-8000-000000000001",
        "typ": "Bearer",
        "azp": "web-app",
        "scope": "openid profile",
        "realm_access": {"roles": ["customer", "orders:create"]},
        "resource_access": {"account": {"roles": ["view-profile"]}},
        "preferred_username": "john",
        "email": "john@example.com",
    }
    return changed(claims, changes)


def service_claims(client: str, now: float = NOW, **changes: object) -> dict[str, object]:
    """A service account's access token as Keycloak writes it."""
    own = {"azp": client, "client_id": client, "preferred_username": f"service-account-{client}", "email": ...}
    return good_claims(now, **{**own, **changes})


def mint(
    claims: Mapping[str, object] | bytes | None = None,
    *,
    signer: Signer | None = None,
    header: Changes | bytes | None = None,
    signature: bytes | None = None,
) -> str:
    """A token. Bytes are taken as they are; `header` changes the right one, `signature` replaces the right one."""
    signer = signer or an_rsa_signer()
    claims = good_claims() if claims is None else claims
    if not isinstance(header, bytes):
        header = as_json(changed({"alg": signer.alg, "typ": "JWT", "kid": signer.kid}, header or {}))
    payload = claims if isinstance(claims, bytes) else as_json(claims)
    signing_input = f"{b64(header)}.{b64(payload)}"
    return f"{signing_input}.{b64(sign(signer, signing_input.encode()) if signature is None else signature)}"


def as_json(members: Mapping[str, object]) -> bytes:
    return json.dumps(members, separators=(",", ":")).encode()


def sign(signer: Signer, message: bytes) -> bytes:
    """The JWS signature (RFC 7518 §3) with the signer's algorithm."""
    key, alg = signer.key, signer.alg
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(message)
    digest = _HASHES[alg[2:]]
    if isinstance(key, ec.EllipticCurvePrivateKey):
        size = (key.key_size + 7) // 8
        r, s = decode_dss_signature(key.sign(message, ec.ECDSA(digest)))
        return r.to_bytes(size) + s.to_bytes(size)
    if alg.startswith("PS"):
        return key.sign(message, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
    return key.sign(message, padding.PKCS1v15(), digest)


def jwk(signer: Signer, **changes: object) -> dict[str, object]:
    """The signer's public key as a JWK (RFC 7517)."""
    common = {"kid": signer.kid, "use": "sig", "alg": signer.alg}
    public = signer.key.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        numbers = public.public_numbers()
        own = {"kty": "RSA", "n": b64(_octets(numbers.n)), "e": b64(_octets(numbers.e))}
    elif isinstance(public, ec.EllipticCurvePublicKey):
        point, size = public.public_numbers(), (public.key_size + 7) // 8
        own = {
            "kty": "EC",
            "crv": f"P-{public.key_size}",
            "x": b64(point.x.to_bytes(size)),
            "y": b64(point.y.to_bytes(size)),
        }
    else:
        own = {"kty": "OKP", "crv": "Ed25519", "x": b64(public.public_bytes_raw())}
    return changed({**common, **own}, changes)


def jwks(*keys: Mapping[str, object]) -> str:
    return json.dumps({"keys": keys})


def _octets(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8)


def a_subject(expires_at: object, **claims: object) -> str:
    """A token in the right form, signed by nobody: as good as another for who only passes it on."""
    payload = {name: value for name, value in {"sub": "ann", "exp": expires_at, **claims}.items() if value is not ...}
    parts = (json.dumps({"alg": "RS256"}).encode(), json.dumps(payload).encode(), b"signature")
    return ".".join(urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
