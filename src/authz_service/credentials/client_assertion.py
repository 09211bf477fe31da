"""A client's proof of itself by a signed JWT (RFC 7523 §3, `private_key_jwt`). Not the verifying of tokens."""

import base64
import json
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    SECP384R1,
    SECP521R1,
    EllipticCurvePrivateKey,
)
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from authz_service.credentials import pem_files
from authz_service.domain.strong_keys import is_strong_key
from authz_service.errors import CertificateProblems, Problem

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LIFETIME = 60  # seconds: it is used at once, and only once
_EC = {  # curve → algorithm, scheme, bytes of r and of s (RFC 7518 §3.4)
    SECP256R1.name: ("ES256", ECDSA(SHA256()), 32),
    SECP384R1.name: ("ES384", ECDSA(SHA384()), 48),
    SECP521R1.name: ("ES512", ECDSA(SHA512()), 66),
}


class AssertionKey(NamedTuple):
    """The client's private key. Its type says the algorithm: RS256, or the ES of its curve."""

    private: RSAPrivateKey | EllipticCurvePrivateKey
    kid: str  # "" = the provider knows one key only


def load_assertion_key(file: Path, kid: str) -> AssertionKey:
    """Raises CertificateProblems for a key that no provider would accept a signature of."""
    content = pem_files.read_file(file, "client_key_file")
    try:
        private = load_pem_private_key(content, password=None)
    except Exception as error:  # the parser's errors have no common base
        raise _unusable(file, "no private key that can be read") from error
    if isinstance(private, RSAPrivateKey) and is_strong_key(private.public_key()):
        return AssertionKey(private, kid)
    if isinstance(private, EllipticCurvePrivateKey) and private.curve.name in _EC:
        return AssertionKey(private, kid)
    raise _unusable(file, "a key of the wrong type, or too short")


def sign_assertion(key: AssertionKey, client_id: str, audience: str, now: float, jti: str) -> str:
    """A JWT that says: I am this client, I speak to this provider, now, once."""
    header = {"alg": _algorithm(key), "typ": "JWT"} | ({"kid": key.kid} if key.kid else {})
    issued = int(now)
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": audience,
        "jti": jti,
        "iat": issued,
        "exp": issued + LIFETIME,
    }
    signed = f"{_encoded(_json(header))}.{_encoded(_json(claims))}"
    return f"{signed}.{_encoded(_signature(key, signed.encode('ascii')))}"


def _algorithm(key: AssertionKey) -> str:
    return "RS256" if isinstance(key.private, RSAPrivateKey) else _EC[key.private.curve.name][0]


def _signature(key: AssertionKey, message: bytes) -> bytes:
    if isinstance(key.private, RSAPrivateKey):
        return key.private.sign(message, PKCS1v15(), SHA256())
    _, scheme, size = _EC[key.private.curve.name]
    r, s = decode_dss_signature(key.private.sign(message, scheme))
    return r.to_bytes(size) + s.to_bytes(size)


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode("ascii")


def _encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode("ascii")


def _unusable(file: Path, found: str) -> CertificateProblems:
    fix = "give an unencrypted PEM key: RSA of 2048 bits or more, or EC on P-256, P-384 or P-521"
    return CertificateProblems([Problem("client_key_file", found, fix, str(file))])
