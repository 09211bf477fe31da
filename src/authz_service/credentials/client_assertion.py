"""A client's proof of itself by a signed JWT (RFC 7523 §3, `private_key_jwt`). Not the verifying of tokens."""

import re
from pathlib import Path
from typing import Literal, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from authz_service import pem_files
from authz_service.domain import base64url
from authz_service.domain.signatures import algorithms_for, signed_jwt
from authz_service.domain.strong_keys import is_strong_key
from authz_service.errors import CertificateProblems, Problem

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LONGEST_ASSERTION = 16_384
_JWS = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
LIFETIME = 60  # seconds: it is used at once, and only once


RsaAlgorithm = Literal["RS256", "PS256"]


class AssertionKey(NamedTuple):
    """The client's private key, and how the header names it."""

    private: RSAPrivateKey | EllipticCurvePrivateKey
    kid: str  # "" = the provider knows one key only
    rsa_algorithm: RsaAlgorithm = "RS256"  # of an EC key the curve says it
    thumbprints: tuple[tuple[str, str], ...] = ()


def load_assertion_key(
    file: Path, kid: str, rsa_algorithm: RsaAlgorithm = "RS256", cert_file: Path | None = None
) -> AssertionKey:
    """Raises CertificateProblems for a key that no provider would accept a signature of, or another's certificate."""
    content = pem_files.read_file(file, "client_key_file")
    try:
        private = load_pem_private_key(content, password=None)
    except Exception as error:  # the parser's errors have no common base
        raise _unusable(file, "no private key that can be read") from error
    if isinstance(private, RSAPrivateKey | EllipticCurvePrivateKey) and is_strong_key(private.public_key()):
        thumbprints = _thumbprints(cert_file, private) if cert_file is not None else ()
        return AssertionKey(private, kid, rsa_algorithm, thumbprints)
    raise _unusable(file, "a key of the wrong type, or too short")


def load_assertion(file: Path) -> str:
    """One that somebody else has signed for us, and puts there anew before it ends. Raises CertificateProblems."""
    content = pem_files.read_file(file, "client_assertion_file")
    text = content.decode("ascii", errors="replace").strip() if len(content) <= LONGEST_ASSERTION else ""
    if not _JWS.fullmatch(text):
        fix = "put the JWT into it, and nothing else"
        raise CertificateProblems([Problem("client_assertion_file", "no signed JWT is in it", fix, str(file))])
    return text


def sign_assertion(key: AssertionKey, client_id: str, audience: str, now: float, jti: str) -> str:
    """A JWT that says: I am this client, I speak to this provider, now, once."""
    header = ({"kid": key.kid} if key.kid else {}) | dict(key.thumbprints)
    issued = int(now)
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": audience,
        "jti": jti,
        "iat": issued,
        "exp": issued + LIFETIME,
    }
    return signed_jwt(key.private, _algorithm(key), header, claims)


def _thumbprints(cert_file: Path, private: RSAPrivateKey | EllipticCurvePrivateKey) -> tuple[tuple[str, str], ...]:
    """RFC 7515 §4.1.7, §4.1.8: by which the provider finds the certificate that was put there."""
    try:
        certificate = x509.load_pem_x509_certificate(pem_files.read_file(cert_file, "client_cert_file"))
    except ValueError as error:
        fix = "name the PEM file that was uploaded to the provider"
        raise CertificateProblems([Problem("client_cert_file", "no certificate", fix, str(cert_file))]) from error
    if certificate.public_key() != private.public_key():
        fix = "name the certificate of client_key_file"
        raise CertificateProblems([Problem("client_cert_file", "it is another key's", fix, str(cert_file))])
    sha1 = certificate.fingerprint(SHA1())  # noqa: S303 - a name, no proof
    return (("x5t", base64url.encode(sha1)), ("x5t#S256", base64url.encode(certificate.fingerprint(SHA256()))))


def _algorithm(key: AssertionKey) -> str:
    if isinstance(key.private, RSAPrivateKey):
        return key.rsa_algorithm
    (by_curve,) = algorithms_for(key.private.public_key())
    return by_curve


def _unusable(file: Path, found: str) -> CertificateProblems:
    fix = "give an unencrypted PEM key: RSA of 2048 bits or more, or EC on P-256, P-384 or P-521"
    return CertificateProblems([Problem("client_key_file", found, fix, str(file))])
