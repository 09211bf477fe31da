"""Client certificates that TLS must refuse: whose chain, time, purpose or revocation is not as it has to be (RFC 5280).

All name the gateway. `Chains` is a CA whose key the tests have, as a careless or robbed CA would be.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from tests.support.certificates import private_pem
from tests.support.client_certificates import CLIENT_AUTH, CN, GATEWAY, Extension, name_of
from tests.support.tokens import ec_key

_CA_NAME = ((CN, "zone2-ca"),)  # as `client_certificates.certificate` names its issuer
_REVOKED = 4711
_LEAF: Extension = (x509.BasicConstraints(ca=False, path_length=None), True)


class Shown(NamedTuple):
    """What a client shows: its certificate, then what stands between it and the root; and the key it signs with."""

    name: str
    chain: tuple[x509.Certificate, ...]
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        return b"".join(one.public_bytes(Encoding.PEM) for one in self.chain)

    @property
    def key_pem(self) -> bytes:
        return private_pem(self.key)


class Chains:
    """Signs anything. `root` belongs into the ingress's client_ca_file, `crl` into its crl_file."""

    def __init__(self, now: float) -> None:
        self._now = dt.datetime.fromtimestamp(now, dt.UTC)
        self._key, self._client = ec_key("zone2-ca"), ec_key("client")
        self.root = self._sign(_CA_NAME, _CA_NAME, self._key, self._key, [_ca()])

    @property
    def crl(self) -> bytes:
        """Revokes one serial."""
        revoked = x509.RevokedCertificateBuilder().serial_number(_REVOKED).revocation_date(self._at(-60)).build()
        builder = (
            x509.CertificateRevocationListBuilder().issuer_name(name_of(_CA_NAME)).add_revoked_certificate(revoked)
        )
        builder = builder.last_update(self._at(-60)).next_update(self._at(86_400))
        return builder.sign(self._key, SHA256()).public_bytes(Encoding.PEM)

    def good(self) -> Iterator[Shown]:
        """These are the gateway: each must be served."""
        yield Shown("directly", (self._leaf(),), self._client)
        yield Shown("not revoked", (self._leaf(),), self._client)
        key, middle = self._middle()
        yield Shown("by an intermediate", (self._leaf(issuer="middle", signer=key), middle), self._client)
        key, middle = self._middle([_ca(0)])
        yield Shown("by an intermediate of length 0", (self._leaf(issuer="middle", signer=key), middle), self._client)

    def bad(self, foreign: x509.Certificate, foreign_key: ec.EllipticCurvePrivateKey) -> Iterator[Shown]:
        """Each refused; `foreign` is another zone's CA."""
        own, stranger = self._client, ec_key("stranger")

        def leaf(name: str, **changes: object) -> Shown:
            return Shown(name, (self._leaf(**changes),), own)  # type: ignore[arg-type]

        yield leaf("expired", life=(-7200, -1))
        yield leaf("future", life=(600, 7200))
        yield leaf("revoked", serial=_REVOKED)
        yield leaf("forged: our CA's name, a stranger's key", signer=stranger)
        yield leaf("of an unknown CA", issuer="unknown-ca", signer=stranger)
        yield leaf("for servers only", extensions=[_LEAF, _purpose(ExtendedKeyUsageOID.SERVER_AUTH)])
        yield leaf("for signing code only", extensions=[_LEAF, _purpose(ExtendedKeyUsageOID.CODE_SIGNING)])
        yield leaf("a CA as client", extensions=[_ca(), CLIENT_AUTH])
        unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
        yield leaf("an unknown critical extension", extensions=[_LEAF, CLIENT_AUTH, (unknown, True)])
        yield Shown("self-signed", (self._sign(GATEWAY, GATEWAY, own, own, [_LEAF, CLIENT_AUTH]),), own)
        by_foreign = self._sign_as(foreign.subject, foreign_key)
        yield Shown("of a foreign zone", (by_foreign,), own)
        yield Shown("of a foreign zone, with its CA", (by_foreign, foreign), own)
        yield from self._bad_chains(own)

    def _bad_chains(self, own: ec.EllipticCurvePrivateKey) -> Iterator[Shown]:
        def by_middle(name: str, extensions: list[Extension], **changes: object) -> Shown:
            key, middle = self._middle(extensions, **changes)  # type: ignore[arg-type]
            return Shown(name, (self._leaf(issuer="middle", signer=key), middle), own)

        yield by_middle("an intermediate that is no CA", [_LEAF])
        yield by_middle("an intermediate without constraints", [])
        yield by_middle("an expired intermediate", [_ca()], life=(-7200, -1))
        yield by_middle("a future intermediate", [_ca()], life=(600, 7200))
        yield by_middle("a revoked intermediate", [_ca()], serial=_REVOKED)
        yield by_middle("an intermediate for servers", [_ca(), _purpose(ExtendedKeyUsageOID.SERVER_AUTH)])
        only_example = x509.NameConstraints([x509.DirectoryName(name_of(((CN, "other"),)))], None)
        yield by_middle("an intermediate for other names", [_ca(), (only_example, True)])
        not_us = x509.NameConstraints(None, [x509.DirectoryName(name_of(GATEWAY[:1]))])
        yield by_middle("an intermediate that excludes the name", [_ca(), (not_us, True)])
        key, middle = self._middle()
        yield Shown("without its intermediate", (self._leaf(issuer="middle", signer=key),), own)
        yield Shown("the intermediate itself", (middle,), key)
        short_key, short = self._middle([_ca(0)])
        deep_key = ec_key("deep")
        deep = self._sign(((CN, "deep"),), ((CN, "middle"),), deep_key, short_key, [_ca()])
        leaf = self._leaf(issuer="deep", signer=deep_key)
        yield Shown("deeper than the path length", (leaf, deep, short), own)
        by_leaf = self._sign(GATEWAY, GATEWAY, ec_key("second"), own, [_LEAF, CLIENT_AUTH])
        yield Shown("signed by a leaf", (by_leaf, self._leaf()), ec_key("second"))

    def _leaf(
        self,
        *,
        issuer: str = "zone2-ca",
        signer: ec.EllipticCurvePrivateKey | None = None,
        extensions: list[Extension] | None = None,
        life: tuple[int, int] = (-3600, 3600),
        serial: int = 78,
    ) -> x509.Certificate:
        more = [_LEAF, CLIENT_AUTH] if extensions is None else extensions
        return self._sign(GATEWAY, ((CN, issuer),), self._client, signer or self._key, more, life, serial)

    def _middle(
        self, extensions: list[Extension] | None = None, life: tuple[int, int] = (-3600, 3600), serial: int = 79
    ) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
        key = ec_key("middle")
        more = [_ca()] if extensions is None else extensions
        return key, self._sign(((CN, "middle"),), _CA_NAME, key, self._key, more, life, serial)

    def _sign_as(self, issuer: x509.Name, signer: ec.EllipticCurvePrivateKey) -> x509.Certificate:
        return self._build(name_of(GATEWAY), issuer, self._client, signer, [_LEAF, CLIENT_AUTH], (-3600, 3600), 80)

    def _sign(  # noqa: PLR0917
        self,
        subject: tuple[tuple[x509.ObjectIdentifier, str], ...],
        issuer: tuple[tuple[x509.ObjectIdentifier, str], ...],
        key: ec.EllipticCurvePrivateKey,
        signer: ec.EllipticCurvePrivateKey,
        extensions: list[Extension],
        life: tuple[int, int] = (-3600, 3600),
        serial: int = 81,
    ) -> x509.Certificate:
        return self._build(name_of(subject), name_of(issuer), key, signer, extensions, life, serial)

    def _build(  # noqa: PLR0917
        self,
        subject: x509.Name,
        issuer: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        signer: ec.EllipticCurvePrivateKey,
        extensions: list[Extension],
        life: tuple[int, int],
        serial: int,
    ) -> x509.Certificate:
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
        builder = builder.serial_number(serial).not_valid_before(self._at(life[0])).not_valid_after(self._at(life[1]))
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(signer, SHA256())

    def _at(self, seconds: int) -> dt.datetime:
        return self._now + dt.timedelta(seconds=seconds)


def _ca(path_length: int | None = None) -> Extension:
    return x509.BasicConstraints(ca=True, path_length=path_length), True


def _purpose(usage: x509.ObjectIdentifier) -> Extension:
    return x509.ExtendedKeyUsage([usage]), False
