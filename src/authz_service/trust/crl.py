"""What a certificate revocation list says (RFC 5280 §5). Whether it is of use is not judged here.

It is read once: each of its entries costs time.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from authz_service import pem_files
from authz_service.domain.strong_keys import is_strong_signature
from authz_service.errors import CertificateProblems, Problem

AT = "revocation list"
_Extension = TypeVar("_Extension", bound=x509.ExtensionType)
_BLOCK = re.compile(rb"-----BEGIN X509 CRL-----.+?-----END X509 CRL-----", re.DOTALL)
# What BoringSSL knows of the critical ones; a list with another is used for nobody.
_KNOWN = (x509.IssuingDistributionPoint, x509.AuthorityKeyIdentifier, x509.CRLNumber)


@dataclass(frozen=True, slots=True)
class Crl:
    """One list."""

    crl: x509.CertificateRevocationList
    issuer: x509.Name
    name: str
    serials: tuple[int, ...]
    begin: float
    end: float  # infinity when it does not say
    scope: x509.IssuingDistributionPoint | None
    urls: tuple[str, ...]  # of its scope
    key: bytes | None  # which of its issuer's keys signed it, if it says so
    unusable: str  # for what reason it can be used by nobody

    @property
    def is_for_clients(self) -> bool:
        return self.scope is None or not self.scope.only_contains_ca_certs

    def is_named_after(self, authority: x509.Certificate) -> bool:
        return self.issuer == authority.subject

    def is_signed_by(self, authority: x509.Certificate) -> bool:
        try:
            return self.is_named_after(authority) and self.crl.is_signature_valid(authority.public_key())  # type: ignore[arg-type]
        except (TypeError, ValueError, UnsupportedAlgorithm):
            return False

    def covers(self, authority: x509.Certificate) -> bool:
        """As BoringSSL says it of a certificate in the chain of a client."""
        if self.scope is not None and self.scope.only_contains_user_certs:
            return False
        return not self.urls or not set(self.urls).isdisjoint(distribution_points(authority))


def read_lists(pem: bytes, file: str) -> list[Crl]:
    """At least one. Raises CertificateProblems."""
    pem_files.require_whole(pem, AT, file)
    try:
        lists = [_facts(x509.load_pem_x509_crl(block)) for block in _BLOCK.findall(pem)]
    except Exception as error:  # the parser's errors have no common base: InvalidVersion, TypeError, …
        raise CertificateProblems(
            [Problem(AT, "it cannot be read", "fetch it again from its authority", file)]
        ) from error
    if not lists:
        fix = "give a PEM file with `-----BEGIN X509 CRL-----` blocks (from DER: openssl crl -inform DER -in … -out …)"
        raise CertificateProblems([Problem(AT, "no revocation list in it", fix, file)])
    return lists


def distribution_points(certificate: x509.Certificate) -> list[str]:
    """Where its list is, as URLs (RFC 5280 §4.2.1.13)."""
    points = pem_files.extension(certificate, x509.CRLDistributionPoints) or ()
    return [url for point in points for url in _urls(point.full_name)]


def _facts(crl: x509.CertificateRevocationList) -> Crl:
    scope = _extension(crl, x509.IssuingDistributionPoint)
    signer = _extension(crl, x509.AuthorityKeyIdentifier)
    serials: list[int] = []
    unknown = [one.oid.dotted_string for one in crl.extensions if one.critical and not isinstance(one.value, _KNOWN)]
    for entry in crl:
        serials.append(entry.serial_number)
        unknown += [one.oid.dotted_string for one in entry.extensions if one.critical]
    return Crl(
        crl=crl,
        issuer=crl.issuer,
        name=crl.issuer.rfc4514_string(),
        serials=tuple(serials),
        begin=crl.last_update_utc.timestamp(),
        end=crl.next_update_utc.timestamp() if crl.next_update_utc else float("inf"),
        scope=scope,
        urls=() if scope is None else tuple(_urls(scope.full_name)),
        key=None if signer is None else signer.key_identifier,
        unusable=_what_makes_it_unusable(crl, scope, unknown),
    )


def _extension(crl: x509.CertificateRevocationList, kind: type[_Extension]) -> _Extension | None:
    return next((one.value for one in crl.extensions if isinstance(one.value, kind)), None)


def _what_makes_it_unusable(
    crl: x509.CertificateRevocationList, scope: x509.IssuingDistributionPoint | None, unknown: list[str]
) -> str:
    if not is_strong_signature(crl):
        return "it is signed with a weak or unusual digest"
    if _extension(crl, x509.DeltaCRLIndicator) is not None:
        return "it lists changes only (delta)"
    if unknown:
        return f"it has a critical extension that is not known here ({unknown[0]})"
    return "" if scope is None else _what_is_left_out(scope)


def _what_is_left_out(scope: x509.IssuingDistributionPoint) -> str:
    if scope.indirect_crl:
        return "it is indirect: its entries may be another authority's"
    if scope.only_some_reasons is not None:
        return "it is for some reasons only"
    if scope.only_contains_attribute_certs:
        return "it is for attribute certificates only"
    if scope.relative_name is not None or (scope.full_name is not None and not _urls(scope.full_name)):
        return "the place that it is for has a name that is no URL"
    return ""


def _urls(names: Sequence[x509.GeneralName] | None) -> list[str]:
    return [one.value for one in names or () if isinstance(one, x509.UniformResourceIdentifier)]
