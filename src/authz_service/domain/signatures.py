"""Which algorithm goes with which public key, whether a signature is its, and signing (RFC 7518, RFC 8037). Not whose
it is.
"""

import json
from collections.abc import Mapping
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS, AsymmetricPadding, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm

from authz_service.domain import base64url

PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey
PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey


class _Ecdsa(NamedTuple):
    curve: str  # cryptography's name of it
    size: int  # bytes of r and of s
    scheme: ECDSA


_RSA: dict[str, tuple[AsymmetricPadding, HashAlgorithm]] = {
    "RS256": (PKCS1v15(), SHA256()),
    "RS384": (PKCS1v15(), SHA384()),
    "RS512": (PKCS1v15(), SHA512()),
    "PS256": (PSS(MGF1(SHA256()), 32), SHA256()),
    "PS384": (PSS(MGF1(SHA384()), 48), SHA384()),
    "PS512": (PSS(MGF1(SHA512()), 64), SHA512()),
}
_EC = {
    "ES256": _Ecdsa("secp256r1", 32, ECDSA(SHA256())),
    "ES384": _Ecdsa("secp384r1", 48, ECDSA(SHA384())),
    "ES512": _Ecdsa("secp521r1", 66, ECDSA(SHA512())),
}
_ED = "EdDSA"
ALGORITHMS = frozenset({*_RSA, *_EC, _ED})  # asymmetric only: with a published key, `none` and HS* prove nothing


class Key(NamedTuple):
    """A public key that an issuer signs with."""

    kid: str  # "" = the key set does not name it
    algorithms: frozenset[str]  # what its type and curve, and its own `alg`, permit
    public: PublicKey


def algorithms_for(public: PublicKey) -> frozenset[str]:
    """Everything a key of this type and curve can be used with."""
    if isinstance(public, RSAPublicKey):
        return frozenset(_RSA)
    if isinstance(public, EllipticCurvePublicKey):
        return frozenset(name for name, ecdsa in _EC.items() if ecdsa.curve == public.curve.name)
    return frozenset({_ED})


def is_signed_by(key: Key, algorithm: str, message: bytes, signature: bytes) -> bool:
    """Whether `signature` is the key's over `message`. `algorithm` must be one of `key.algorithms`."""
    public = key.public
    try:
        if isinstance(public, RSAPublicKey):
            public.verify(signature, message, *_RSA[algorithm])
        elif isinstance(public, EllipticCurvePublicKey):
            _, size, scheme = _EC[algorithm]
            if len(signature) != 2 * size:  # RFC 7518 §3.4: r and s at full length, never DER
                return False
            r, s = int.from_bytes(signature[:size]), int.from_bytes(signature[size:])
            public.verify(encode_dss_signature(r, s), message, scheme)
        else:
            public.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def sign(private: PrivateKey, algorithm: str, message: bytes) -> bytes:
    """What `is_signed_by` takes."""
    if isinstance(private, RSAPrivateKey):
        return private.sign(message, *_RSA[algorithm])
    if isinstance(private, EllipticCurvePrivateKey):
        _, size, scheme = _EC[algorithm]
        r, s = decode_dss_signature(private.sign(message, scheme))
        return r.to_bytes(size) + s.to_bytes(size)
    return private.sign(message)


def signed_jwt(private: PrivateKey, algorithm: str, header: Mapping[str, object], claims: Mapping[str, object]) -> str:
    """In JWS' compact form (RFC 7515 §7.1)."""
    parts = (json.dumps(part, separators=(",", ":")) for part in ({"alg": algorithm, "typ": "JWT", **header}, claims))
    text = ".".join(base64url.encode(part.encode("ascii")) for part in parts)
    return f"{text}.{base64url.encode(sign(private, algorithm, text.encode('ascii')))}"
