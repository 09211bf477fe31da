"""Revocation lists and PKIs in the shapes that public authorities write them. Not the plain ones (`certificates`)."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from tests.support.certificates import Authority, Leaf, Life, private_pem

URL = "http://crl.example.com/1.crl"
OTHER_URL = "http://crl.example.com/2.crl"
_serials = itertools.count(50_000)


def below(authority: Authority, *, url: str | None = None, name: str = "caller-client") -> Leaf:
    """A client's certificate which says where its list is (RFC 5280 §4.2.1.13), or does not."""
    private = ec.generate_private_key(ec.SECP256R1())
    serial = next(_serials)
    subject = [x509.NameAttribute(NameOID.COMMON_NAME, name), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "MyOrg")]
    builder = (
        x509.CertificateBuilder()
        .issuer_name(authority.subject)
        .subject_name(x509.Name(subject))
        .public_key(private.public_key())
        .serial_number(serial)
        .not_valid_before(_moment(authority.life.begin))
        .not_valid_after(_moment(authority.life.end))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
    )
    if authority.key_id is not None:
        builder = builder.add_extension(authority.key_id, critical=False)
    if url is not None:
        builder = builder.add_extension(x509.CRLDistributionPoints([_point(url)]), critical=False)
    certificate = builder.sign(authority.private, hashes.SHA256())
    return Leaf(certificate.public_bytes(serialization.Encoding.PEM), private_pem(private), serial)


class Scope(NamedTuple):
    """What an issuing distribution point says (RFC 5280 §5.2.5)."""

    url: str | None = None
    only_user: bool = False
    only_ca: bool = False
    indirect: bool = False
    reasons: bool = False
    only_attribute: bool = False
    directory: bool = False  # the place is a name in a directory
    relative: bool = False  # … below that of the issuer


def revocations(
    authority: Authority,
    *serials: int,
    life: Life,
    scope: Scope | None = None,
    critical: bool = True,
    unknown: bool = False,
    of_another: bool = False,
    delta: bool = False,
    version_1: bool = False,
    weak: bool = False,
) -> bytes:
    """A list, PEM. `critical` is the distribution point's; `unknown` adds a critical extension that nobody knows.

    `of_another`: its entries are another authority's (RFC 5280 §5.3.3); `weak`: its digest is.
    """
    builder = x509.CertificateRevocationListBuilder(
        issuer_name=authority.subject, last_update=_moment(life.begin), next_update=_moment(life.end)
    )
    for serial in serials:
        entry = x509.RevokedCertificateBuilder(serial_number=serial, revocation_date=_moment(life.begin))
        if of_another:
            entry = entry.add_extension(x509.CertificateIssuer([x509.DirectoryName(authority.subject)]), critical=True)
        builder = builder.add_revoked_certificate(entry.build())
    if authority.key_id is not None and not version_1:
        builder = builder.add_extension(authority.key_id, critical=False)
    if delta:
        builder = builder.add_extension(x509.DeltaCRLIndicator(1), critical=True)
    if scope is not None:
        builder = builder.add_extension(_distribution_point(scope), critical=critical)
    if unknown:
        odd = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5"), b"\x05\x00")
        builder = builder.add_extension(odd, critical=True)
    if not version_1:
        builder = builder.add_extension(x509.CRLNumber(7), critical=False)
    digest = hashes.SHA224() if weak else hashes.SHA256()
    return builder.sign(authority.private, digest).public_bytes(serialization.Encoding.PEM)


def _distribution_point(scope: Scope) -> x509.IssuingDistributionPoint:
    reasons = frozenset({x509.ReasonFlags.key_compromise}) if scope.reasons else None
    names: list[x509.GeneralName] | None = None if scope.url is None else [x509.UniformResourceIdentifier(scope.url)]
    place = x509.NameAttribute(NameOID.COMMON_NAME, "CRL1")
    if scope.directory:
        names = [x509.DirectoryName(x509.Name([place]))]
    return x509.IssuingDistributionPoint(
        full_name=names,
        relative_name=x509.RelativeDistinguishedName([place]) if scope.relative else None,
        only_contains_user_certs=scope.only_user,
        only_contains_ca_certs=scope.only_ca,
        only_some_reasons=reasons,
        indirect_crl=scope.indirect,
        only_contains_attribute_certs=scope.only_attribute,
    )


def _point(url: str) -> x509.DistributionPoint:
    return x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None)


def _moment(seconds: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, dt.UTC)
