"""A client's proof by its certificate (RFC 8705): whether it is the one of the realm's file, and its thumbprint.

That it is signed by an authority that may sign clients was seen in the handshake.
"""

import re
from hashlib import sha256

from cryptography import x509
from joserfc.util import urlsafe_b64encode

from authz_realm.realm import Client


def is_of(client: Client, certificate: bytes | None) -> bool:
    """By the subject, in the order of RFC 4514, and by the issuer where the file names it."""
    if certificate is None:
        return False
    found = x509.load_der_x509_certificate(certificate)
    subject, issuer = (client.attributes.get(name) for name in ("x509.subjectdn", "x509.casubjectdn"))
    pattern = client.attributes.get("x509.allow.regex.pattern.comparison") == "true"
    return _fits(found.subject, subject, pattern=pattern) and (not issuer or _fits(found.issuer, issuer))


def thumbprint(certificate: bytes) -> str:
    """`x5t#S256` (RFC 8705 §3.1)."""
    return urlsafe_b64encode(sha256(certificate).digest()).decode()


def _fits(name: x509.Name, wanted: str | None, *, pattern: bool = False) -> bool:
    if not wanted:
        return False
    if pattern:
        return re.fullmatch(wanted, name.rfc4514_string()) is not None
    try:
        return name == x509.Name.from_rfc4514_string(wanted)
    except ValueError:
        return False
