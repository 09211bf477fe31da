"""What a caller shows in the handshake: the certificate of its file, or, where no file is here, one that says what the
sidecar that is called expects of this caller. The latter is an assumption, and is called one.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from authz_service.config.model import TargetTlsOfAgent, TargetTlsOfFiles
from authz_service.domain.rules import ClientRule
from authz_service.errors import AuthzServiceError
from authz_service.identity.certificates import parse_client_rule
from authz_service.mesh.client_handshake import load_chain
from authz_service.mesh.model import Call, Sidecar
from authz_service.mesh.spot import Spot
from authz_service.pem_files import extension, to_pem

NAMELESS = "without a name"

_DECADE = dt.timedelta(days=3650)  # whatever time it is judged at
_OIDS = {"CN": NameOID.COMMON_NAME, "O": NameOID.ORGANIZATION_NAME, "OU": NameOID.ORGANIZATIONAL_UNIT_NAME}


@dataclass(frozen=True, eq=False)
class Shown:
    """A client certificate and what is sent beside it; nothing at all is a caller without one."""

    chain: tuple[x509.Certificate, ...] = ()
    spot: Spot | None = None
    assumed: bool = False  # its file is not here

    @cached_property
    def pem(self) -> bytes:
        """As Envoy tells the gate."""
        return quote(to_pem(self.chain[:1]), safe="").encode("ascii") if self.chain else b""

    @property
    def name(self) -> str:
        """For a reader: its subject, or its URI."""
        if not self.chain:
            return "none"
        leaf = self.chain[0]
        if leaf.subject:
            return leaf.subject.rfc4514_string()
        names = extension(leaf, x509.SubjectAlternativeName) or ()
        return next((str(one.value) for one in names if isinstance(one, x509.UniformResourceIdentifier)), NAMELESS)


NOTHING = Shown()


def shown_on(call: Call) -> Shown:
    """The certificate of the target's settings. Raises AuthzServiceError for a file that is no certificate."""
    tls = call.target.tls
    spot = call.source.spot(*call.target_place, "tls", "client_cert")
    named = tls.client_cert if isinstance(tls, TargetTlsOfFiles) else None
    if named is None and not isinstance(tls, TargetTlsOfAgent):
        return NOTHING
    found = call.source.find_file(named)
    if found is not None:
        return Shown(tuple(load_chain(found)), spot)
    rule = _expected_rule(call)
    return Shown((_certificate(rule),), spot, assumed=True) if rule is not None else NOTHING


def shown_from(file: Path) -> Shown:
    """Raises AuthzServiceError."""
    return Shown(tuple(load_chain(file)), Spot(str(file)))


def assumed_by(text: str) -> Shown:
    """A certificate that says what such a rule of `allowed_clients` asks for. Raises ValueError."""
    return Shown((_certificate(parse_client_rule(text)),), assumed=True)


def _expected_rule(call: Call) -> ClientRule | None:
    """Whom the destination takes this caller for: the rule that has the caller's name in it, or the only one."""
    sidecar = call.destination
    if sidecar is None or not sidecar.config.proxy.mtls.enabled:
        return ClientRule(attributes=(("CN", f"{call.source.config.service.name}-client"),))
    texts = sidecar.config.proxy.mtls.allowed_clients
    named = [text for text in texts if any(name in text for name in _called(call.source))]
    chosen = named or (list(texts) if len(texts) == 1 else [])
    try:
        return parse_client_rule(chosen[0]) if chosen else None
    except ValueError:
        return None


def _called(sidecar: Sidecar) -> list[str]:
    """The longest name first: `order` is in `order-service`, too."""
    return sorted({sidecar.config.service.name, sidecar.name} - {""}, key=len, reverse=True)


def _certificate(rule: ClientRule) -> x509.Certificate:
    """By nobody: its chain is not to be judged."""
    key = ec.generate_private_key(ec.SECP256R1())
    unknown = [name for name, _ in rule.attributes if name not in _OIDS]
    if unknown:
        raise AuthzServiceError(f"a certificate with {unknown[0]} is not assumed: give the file")
    subject = x509.Name([x509.NameAttribute(_OIDS[name], value) for name, value in rule.attributes])
    now = dt.datetime.now(tz=dt.UTC)
    builder = (
        x509.CertificateBuilder(subject, subject, key.public_key(), 1)
        .not_valid_before(now - _DECADE)
        .not_valid_after(now + _DECADE)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
    )
    names: list[x509.GeneralName] = []
    if rule.uri:
        names.append(x509.UniformResourceIdentifier(rule.uri))
    if rule.dns:
        names.append(x509.DNSName(rule.dns))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key, SHA256())
