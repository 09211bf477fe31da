"""Mints client certificates of any shape, good or hostile, in the form in which Envoy hands them over."""

import base64
import datetime as dt
import warnings
from collections.abc import Iterable
from functools import cache
from urllib.parse import quote_from_bytes

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes, CertificatePublicKeyTypes
from cryptography.hazmat.primitives.hashes import SHA224, SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from tests.support.tokens import NOW, ec_key

Digest = SHA224 | SHA256 | SHA384 | SHA512
Attributes = Iterable[tuple[x509.ObjectIdentifier, str]]
Extension = tuple[x509.ExtensionType, bool]  # with its criticality

CN, O, OU, DC, UID = (  # noqa: E741 - its name
    NameOID.COMMON_NAME,
    NameOID.ORGANIZATION_NAME,
    NameOID.ORGANIZATIONAL_UNIT_NAME,
    NameOID.DOMAIN_COMPONENT,
    NameOID.USER_ID,
)
GATEWAY = ((CN, "api-gateway-client"), (O, "MyOrg"))
SPIFFE_ID = "spiffe://mesh/zone1/api-gateway"
CLIENT_AUTH: Extension = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)


def name_of(attributes: Attributes) -> x509.Name:
    with warnings.catch_warnings(action="ignore"):  # hostile names may be empty or too long
        return x509.Name([x509.NameAttribute(oid, value, _validate=False) for oid, value in attributes])


def certificate(
    subject: Attributes | x509.Name = GATEWAY,
    *,
    names: Iterable[x509.GeneralName] = (),
    extensions: Iterable[Extension] = (CLIENT_AUTH,),
    key: CertificatePublicKeyTypes | None = None,
    issuer_key: CertificateIssuerPrivateKeyTypes | None = None,
    digest: Digest | None = SHA256(),  # noqa: B008 - it has no state
    now: float = NOW,
    valid: tuple[float, float] | None = None,
    serial: int = 77,
) -> bytes:
    """DER of a certificate, good unless told otherwise. Its issuer is whoever: Envoy judges that."""
    valid = valid or (now - 3600, now + 3600)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject if isinstance(subject, x509.Name) else name_of(subject))
        .issuer_name(name_of([(CN, "zone2-ca")]))
        .public_key(key or ec_key("client").public_key())
        .serial_number(serial)
        .not_valid_before(_time(valid[0]))
        .not_valid_after(_time(valid[1]))
    )
    names = list(names)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(issuer_key or ec_key("zone2-ca"), digest).public_bytes(Encoding.DER)


def in_envoys_form(certificate: bytes) -> bytes:
    """DER or PEM as `%DOWNSTREAM_PEER_CERT%` has it: PEM, URL-encoded."""
    if certificate.startswith(b"\x30"):  # DER's first byte
        certificate = pem(certificate)
    return quote_from_bytes(certificate, safe="").encode()


def pem(der: bytes) -> bytes:
    """PEM of any bytes at all, certificate or not."""
    lines = base64.encodebytes(der).replace(b"\n", b"")
    body = b"\n".join(lines[start : start + 64] for start in range(0, len(lines), 64))
    return b"-----BEGIN CERTIFICATE-----\n" + body + b"\n-----END CERTIFICATE-----\n"


@cache
def rsa_public_key(bits: int) -> rsa.RSAPublicKey:
    return rsa.generate_private_key(65537, bits).public_key()


def ec_public_key(curve: ec.EllipticCurve) -> ec.EllipticCurvePublicKey:
    return ec.generate_private_key(curve).public_key()


def _time(seconds: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, dt.UTC)
