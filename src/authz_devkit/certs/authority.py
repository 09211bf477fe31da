"""Certificate authorities and leaves of the development mesh, in memory. It does not touch the disk (see `tree`)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from ipaddress import ip_address
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ORGANIZATION = "MyOrg"
CA_LIFETIME = timedelta(days=5 * 365)
LEAF_LIFETIME = timedelta(days=7)
CRL_LIFETIME = timedelta(days=30)
CLOCK_SKEW = timedelta(minutes=5)
"""How far `not_before` lies in the past, so that a clock that is a little slow accepts a new certificate."""

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
Subject = tuple[tuple[x509.ObjectIdentifier, str], ...]


@dataclass(frozen=True, slots=True)
class Request:
    """What a certificate shall say. Any field may be wrong on purpose: `dataclasses.replace` makes the expired, the
    misused and the forged certificates of the tests.
    """

    subject: Subject
    not_before: datetime
    not_after: datetime
    dns: tuple[str, ...] = ()
    ips: tuple[str, ...] = ()
    uris: tuple[str, ...] = ()
    usages: tuple[x509.ObjectIdentifier, ...] = ()
    is_ca: bool = False
    path_length: int | None = None
    key: PrivateKey | None = None  # a new P-256 key when absent


def server_request(
    host: str, *, now: datetime, lifetime: timedelta = LEAF_LIFETIME, ips: Sequence[str] = ()
) -> Request:
    """A server certificate for one DNS name (correction 3: the name is a SAN, not only the CN)."""
    return Request(
        subject=_subject(host),
        not_before=now - CLOCK_SKEW,
        not_after=now + lifetime,
        dns=(host,),
        ips=tuple(ips),
        usages=(ExtendedKeyUsageOID.SERVER_AUTH,),
    )


def client_request(service: str, zone: str, *, now: datetime, lifetime: timedelta = LEAF_LIFETIME) -> Request:
    """A client certificate: CN `<service>-client` (correction 2) and the SPIFFE name of the caller's own zone."""
    return Request(
        subject=_subject(f"{service}-client"),
        not_before=now - CLOCK_SKEW,
        not_after=now + lifetime,
        uris=(f"spiffe://mesh/{zone}/{service}",),
        usages=(ExtendedKeyUsageOID.CLIENT_AUTH,),
    )


@dataclass(frozen=True)
class KeyPair:
    certificate: x509.Certificate
    key: PrivateKey

    @cached_property
    def cert_pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @cached_property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@dataclass(frozen=True)
class Authority(KeyPair):
    """A CA that signs leaves and revocation lists."""

    @classmethod
    def create(cls, common_name: str, *, now: datetime, lifetime: timedelta = CA_LIFETIME) -> Self:
        """A self-signed root that may sign leaves only (path length 0)."""
        key = ec.generate_private_key(ec.SECP256R1())
        request = Request(
            subject=_subject(common_name),
            not_before=now - CLOCK_SKEW,
            not_after=now + lifetime,
            is_ca=True,
            path_length=0,
            key=key,
        )
        return cls(_sign(request, key, issuer=_name(request.subject), signer=key), key)

    def issue(self, request: Request) -> KeyPair:
        key = request.key or ec.generate_private_key(ec.SECP256R1())
        return KeyPair(_sign(request, key, issuer=self.certificate.subject, signer=self.key), key)

    def revocation_list(self, serials: Sequence[int], *, number: int, now: datetime) -> x509.CertificateRevocationList:
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(now - CLOCK_SKEW)
            .next_update(now + CRL_LIFETIME)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
            .add_extension(x509.CRLNumber(number), critical=False)
        )
        for serial in serials:
            revoked = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now - CLOCK_SKEW).build()
            builder = builder.add_revoked_certificate(revoked)
        return builder.sign(self.key, hashes.SHA256())


def _sign(request: Request, key: PrivateKey, *, issuer: x509.Name, signer: PrivateKey) -> x509.Certificate:
    constraints = x509.BasicConstraints(ca=request.is_ca, path_length=request.path_length)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(request.subject))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(request.not_before)
        .not_valid_after(request.not_after)
        .add_extension(constraints, critical=True)
        .add_extension(_key_usage(is_ca=request.is_ca), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if request.usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(request.usages), critical=False)
    if names := _alternative_names(request):
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=not request.subject)
    return builder.sign(signer, hashes.SHA256())


def _alternative_names(request: Request) -> list[x509.GeneralName]:
    return [
        *(x509.DNSName(name) for name in request.dns),
        *(x509.IPAddress(ip_address(ip)) for ip in request.ips),
        *(x509.UniformResourceIdentifier(uri) for uri in request.uris),
    ]


def _key_usage(*, is_ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_ca,
        key_cert_sign=is_ca,
        crl_sign=is_ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _subject(common_name: str) -> Subject:
    return ((NameOID.COMMON_NAME, common_name), (NameOID.ORGANIZATION_NAME, ORGANIZATION))


def _name(subject: Subject) -> x509.Name:
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in subject])
