"""Certificates for tests, good ones and odd ones, made on the spot. Not the development kit's tree."""

import datetime as dt
import ipaddress
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
SERVER = ExtendedKeyUsageOID.SERVER_AUTH
CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH
_serials = itertools.count(1000)


class Leaf(NamedTuple):
    """A certificate with its key, both PEM."""

    certificate: bytes
    key: bytes
    serial: int

    def write(self, folder: Path, name: str) -> tuple[Path, Path]:
        cert_file, key_file = folder / f"{name}.crt", folder / f"{name}.key"
        cert_file.write_bytes(self.certificate)
        key_file.touch(mode=0o600)
        key_file.write_bytes(self.key)
        return cert_file, key_file


@dataclass(frozen=True)
class Life:
    """From, until: seconds since the epoch."""

    begin: float
    end: float


class Authority:
    """Signs what a test asks for."""

    def __init__(
        self,
        name: str,
        life: Life,
        signer: "Authority | None" = None,
        *,
        crl_sign: bool = True,
        key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | None = None,
        digest: hashes.SHA224 | hashes.SHA256 | None = None,
        identified: bool = False,
    ) -> None:
        """`identified`: it, and what it signs, name its key, as those of real authorities do (RFC 5280 §4.2.1.1)."""
        self.life = life
        self.subject = _subject(name)
        self.private = key or ec.generate_private_key(ec.SECP256R1())
        usage = x509.KeyUsage(
            digital_signature=False,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=crl_sign,
            encipher_only=False,
            decipher_only=False,
        )
        builder = _builder(self.subject, signer.subject if signer else self.subject, self.private, life, next(_serials))
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        builder = builder.add_extension(usage, critical=True)
        own = x509.SubjectKeyIdentifier.from_public_key(self.private.public_key())
        if identified:
            builder = builder.add_extension(own, critical=False)
        self.key_id = x509.AuthorityKeyIdentifier(own.digest, None, None) if identified else None
        self.certificate = builder.sign(signer.private if signer else self.private, digest or hashes.SHA256())

    @classmethod
    def living(cls, name: str, now: float) -> Self:
        return cls(name, Life(now - 86_400, now + 365 * 86_400))

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def issue(
        self,
        common_name: str,
        *,
        dns: tuple[str, ...] = (),
        addresses: tuple[str, ...] = (),
        uris: tuple[str, ...] = (),
        usages: tuple[x509.ObjectIdentifier, ...] = (SERVER, CLIENT),
        life: Life | None = None,
        key: Key | None = None,
    ) -> Leaf:
        private = key or ec.generate_private_key(ec.SECP256R1())
        serial = next(_serials)
        builder = _builder(_subject(common_name), self.subject, private, life or self.life, serial)
        names: list[x509.GeneralName] = [*map(x509.DNSName, dns), *map(x509.UniformResourceIdentifier, uris)]
        names += [x509.IPAddress(ipaddress.ip_address(one)) for one in addresses]
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        if usages:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        certificate = builder.sign(self.private, hashes.SHA256())
        return Leaf(certificate.public_bytes(serialization.Encoding.PEM), private_pem(private), serial)

    def revoke(self, *serials: int, life: Life, delta: bool = False) -> bytes:
        """A revocation list, PEM."""
        builder = x509.CertificateRevocationListBuilder(
            issuer_name=self.subject, last_update=_moment(life.begin), next_update=_moment(life.end)
        )
        for serial in serials:
            entry = x509.RevokedCertificateBuilder(serial_number=serial, revocation_date=_moment(life.begin))
            builder = builder.add_revoked_certificate(entry.build())
        if delta:
            builder = builder.add_extension(x509.DeltaCRLIndicator(1), critical=True)
        return builder.sign(self.private, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def private_pem(key: Key, passphrase: bytes | None = None) -> bytes:
    protection = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)


def _builder(subject: x509.Name, issuer: x509.Name, private: Key, life: Life, serial: int) -> x509.CertificateBuilder:
    return x509.CertificateBuilder(
        issuer_name=issuer,
        subject_name=subject,
        public_key=private.public_key(),
        serial_number=serial,
        not_valid_before=_moment(life.begin),
        not_valid_after=_moment(life.end),
    )


def _subject(common_name: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, common_name), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "MyOrg")]
    )


def _moment(seconds: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, dt.UTC)
