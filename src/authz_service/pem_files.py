"""Reading PEM, and the plain facts of one certificate. No judgement of them."""

from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from authz_service.errors import CertificateProblems, Problem
from authz_service.pem import what_is_torn

LARGEST_FILE = 1 << 20
# Warn in the last fifth of a life, but of a long life not before its last month.
_LAST_PART = 0.2
_LAST_MONTH = 30 * 86_400.0
_Extension = TypeVar("_Extension", bound=x509.ExtensionType)


def read_file(file: Path, what: str, *, largest: int = LARGEST_FILE) -> bytes:
    """Raises CertificateProblems."""
    try:
        with file.open("rb") as stream:
            content = stream.read(largest + 1)
    except OSError as error:
        fix = "check the path, and that the sidecar's user may read it"
        raise CertificateProblems([Problem(what, error.strerror or "cannot be read", fix, str(file))]) from error
    if len(content) > largest:
        found = f"larger than {largest >> 20} MiB"
        raise CertificateProblems([Problem(what, found, "give a PEM file", str(file))])
    return content


def require_whole(pem: bytes, what: str, file: str) -> None:
    """Raises CertificateProblems for a file of which a part is missing."""
    torn = what_is_torn(pem)
    if torn:
        fix = "write it under another name in the same folder, then rename it"
        raise CertificateProblems([Problem(what, torn, fix, file)])


def read_certificates(pem: bytes, what: str, file: str) -> list[x509.Certificate]:
    """At least one, and all that are in it. Raises CertificateProblems."""
    require_whole(pem, what, file)
    try:
        certificates = x509.load_pem_x509_certificates(pem)
        for certificate in certificates:  # these are parsed late, and raise when they are garbage
            certificate.subject, certificate.issuer, certificate.extensions, certificate.public_key()
    except Exception as error:  # the parser's errors have no common base: InvalidVersion, TypeError, …
        fix = "give a PEM file with `-----BEGIN CERTIFICATE-----` blocks"
        raise CertificateProblems([Problem(what, "no certificate that can be read", fix, file)]) from error
    return certificates


def to_pem(certificates: Iterable[x509.Certificate]) -> str:
    return "".join(one.public_bytes(serialization.Encoding.PEM).decode("ascii") for one in certificates)


def name(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string() or f"serial {certificate.serial_number:x}"


def is_authority(certificate: x509.Certificate) -> bool:
    """May it sign certificates (RFC 5280 §4.2.1.3, §4.2.1.9)?"""
    constraints = extension(certificate, x509.BasicConstraints)
    usage = extension(certificate, x509.KeyUsage)
    return constraints is not None and constraints.ca and (usage is None or usage.key_cert_sign)


def is_issued_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    """Name and signature both; neither validity nor constraints."""
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def are_namesakes(one: x509.Certificate, other: x509.Certificate) -> bool:
    """Two authorities of one name: a CA that has changed its key. A renewed certificate is the same authority."""
    return one.subject == other.subject and one.public_key() != other.public_key()


def is_valid_at(certificate: x509.Certificate, now: float) -> bool:
    return certificate.not_valid_before_utc.timestamp() <= now < certificate.not_valid_after_utc.timestamp()


def extension(certificate: x509.Certificate, kind: type[_Extension]) -> _Extension | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def alternative_names(certificate: x509.Certificate) -> tuple[str, ...]:
    """DNS names, URIs and addresses."""
    names = extension(certificate, x509.SubjectAlternativeName)
    if names is None:
        return ()
    return (
        *names.get_values_for_type(x509.DNSName),
        *names.get_values_for_type(x509.UniformResourceIdentifier),
        *map(str, names.get_values_for_type(x509.IPAddress)),
    )


def near_end(not_before: float, not_after: float) -> float:
    """From when on somebody should have renewed it: a share of its life, for it may be a day or ten years."""
    return not_after - min((not_after - not_before) * _LAST_PART, _LAST_MONTH)


def near_end_of(certificates: Iterable[x509.Certificate]) -> float:
    """The soonest."""
    return min(
        near_end(one.not_valid_before_utc.timestamp(), one.not_valid_after_utc.timestamp()) for one in certificates
    )


def in_words(seconds: float) -> str:
    """A span as a person says it: 3 days, 5 hours, 10 minutes."""
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"
