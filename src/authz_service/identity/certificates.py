"""Who is behind a client certificate, and whether he may connect (SECURITY T2, T6).

Not whether a trusted CA signed it and the client holds its key: Envoy has proven that in the handshake.
"""

import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import unquote_to_bytes

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID

from authz_service.domain.bounded import Bounded
from authz_service.domain.decision import NO_PEER, Peer
from authz_service.domain.refusals import Reason, Rejected
from authz_service.domain.rules import ClientRule, PeerRules
from authz_service.domain.spiffe import is_spiffe_id
from authz_service.domain.strong_keys import is_strong_key, is_strong_signature
from authz_service.identity.token_binding import Renewals

MAX_CACHED = 1024
MAX_PEER = 65_536  # bytes of its URL-encoded PEM; an ordinary one has 1 to 3 KiB, and TLS would take 100
_BEGIN, _END = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"
# Attributes that people write by name, beside those of RFC 4514 §3, which cryptography knows.
_MORE_NAMES = {
    "emailAddress": NameOID.EMAIL_ADDRESS,
    "givenName": NameOID.GIVEN_NAME,
    "serialNumber": NameOID.SERIAL_NUMBER,
    "SN": NameOID.SURNAME,
    "title": NameOID.TITLE,
}
_NAMES_BY_OID = {oid: name for name, oid in _MORE_NAMES.items()}
# What cryptography raises for a certificate that it cannot read, whole or in part.
_UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
_DNS_PREFIX = "dns:"
_DNS_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
_Extensions = Mapping[x509.ObjectIdentifier, x509.ExtensionType]


class Peers:
    """The clients that may connect. Each certificate is read once; its time is checked on every request."""

    def __init__(self, rules: PeerRules, now: Callable[[], float]) -> None:
        self._rules = rules
        self._now = now
        self._known: Bounded[bytes, Peer] = Bounded(MAX_CACHED)
        self.renewals = Renewals(now)
        self._revoked = frozenset(rules.revoked)
        self._revoked_fingerprints = frozenset(rules.revoked_fingerprints)
        self._listed = None if rules.listed is None else {issuer: frozenset(urls) for issuer, urls in rules.listed}
        self._listed_until = float("inf") if rules.listed_until is None else rules.listed_until
        self._withdrawn = [x509.load_pem_x509_certificate(pem.encode("ascii")) for pem in rules.withdrawn]

    def require_allowed(self, pem: bytes) -> Peer:
        """The peer behind the URL-encoded PEM; NO_PEER for none, where none is required. Raises Rejected."""
        peer = self._known.get(pem)
        if peer is None:
            if not pem:
                if self._rules.required:
                    raise Rejected(Reason.CLIENT_CERT_MISSING)
                return NO_PEER
            peer = self._introduce(pem)
        if not peer.not_before <= self._now() <= peer.not_after:
            raise Rejected(Reason.CLIENT_CERT_EXPIRED, f"valid from {peer.not_before:.0f} to {peer.not_after:.0f}")
        if self._now() >= self._listed_until:
            raise Rejected(Reason.CLIENT_CERT_REVOKED, "the revocation lists have expired")
        return peer

    @property
    def listed_until(self) -> float:
        """Until then what is known of revoked certificates holds, seconds since the epoch."""
        return self._listed_until

    def _introduce(self, pem: bytes) -> Peer:
        peer = read_peer(pem)
        self._require_trusted(peer, pem)
        if not any(is_match(rule, peer) for rule in self._rules.allowed):
            raise Rejected(Reason.CLIENT_NOT_ALLOWED, f"CN={peer.common_name} URI={' '.join(peer.uris)}"[:200])
        self._known[pem] = peer
        self.renewals.note(peer)
        return peer

    def _require_trusted(self, peer: Peer, pem: bytes) -> None:
        """The handshake has checked this too, but with the lists and authorities of its time (SECURITY T2)."""
        if (peer.issuer, f"{peer.serial:x}") in self._revoked:
            raise Rejected(Reason.CLIENT_CERT_REVOKED, "its serial is on a revocation list or on the denylist")
        if peer.fingerprint in self._revoked_fingerprints:
            raise Rejected(Reason.CLIENT_CERT_REVOKED, "its fingerprint is on the denylist")
        if not self._withdrawn and self._listed is None:
            return
        certificate = x509.load_pem_x509_certificate(unquote_to_bytes(pem))
        if self._listed is not None and not _is_covered(certificate, self._listed.get(peer.issuer)):
            raise Rejected(Reason.CLIENT_CERT_REVOKED, "no revocation list covers it, or its authority is revoked")
        if any(_is_signed_by(certificate, authority) for authority in self._withdrawn):
            raise Rejected(Reason.CLIENT_CERT_REVOKED, "its authority is no longer trusted")


def _is_covered(certificate: x509.Certificate, urls: frozenset[str] | None) -> bool:
    """By a list of its authority (None: it has none): one for all of its clients, or for the place that it names."""
    if not urls:
        return urls is not None
    try:
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except x509.ExtensionNotFound:
        return True  # it names no place: the lists at hand are its
    return any(name.value in urls for point in points for name in point.full_name or ())


def _is_signed_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def parse_client_rule(text: str) -> ClientRule:
    """A rule from `CN=…,O=…` (RFC 4514 with escapes), `spiffe://domain/path` or `dns:name`. Raises ValueError with the
    remedy.
    """
    if "*" in text:
        raise ValueError(f"{text!r} has a *, which stands for nothing here: write each name whole")
    if text.lower().startswith(_DNS_PREFIX):
        dns = text[len(_DNS_PREFIX) :].lower()
        if _DNS_NAME.fullmatch(dns) is None:
            raise ValueError(f"{text!r} is not a DNS name: write dns:gateway.zone1.example")
        return ClientRule(dns=dns)
    if "://" in text:
        if not is_spiffe_id(text):
            raise ValueError(f"{text!r} is not a SPIFFE ID: write spiffe://<trust domain>/<path>")
        return ClientRule(uri=text)
    try:
        name = x509.Name.from_rfc4514_string(text, _MORE_NAMES)
    except ValueError as error:
        raise ValueError(
            f"{text!r} is not a distinguished name{f' ({error})' if str(error) else ''}: write CN=name,O=organization, "
            "attribute names in upper case, no space around commas, a backslash before a comma that belongs to a value"
        ) from None
    attributes = tuple((_attribute_name(attribute), str(attribute.value)) for attribute in reversed(list(name)))
    if not attributes:
        raise ValueError("a client rule is empty: write CN=name,O=organization or spiffe://<trust domain>/<path>")
    if len(set(attributes)) != len(attributes) or [name for name, _ in attributes].count("CN") > 1:
        raise ValueError(f"{text!r} says the same twice, or names two CNs: write each value once, and one CN")
    if not all(value.isprintable() for _, value in attributes):
        raise ValueError(f"{text!r} has a control character, which no accepted certificate has: remove it")
    return ClientRule(attributes=attributes)


def is_match(rule: ClientRule, peer: Peer) -> bool:
    """Whether the certificate says all of the rule, and nothing else of the same kind."""
    if not rule.uri and not rule.attributes and not rule.dns:
        return False  # a rule that says nothing admits nobody
    if rule.dns and rule.dns not in map(str.lower, peer.dns):  # several are usual; the CA has vouched for each
        return False
    if rule.uri and peer.uris != (rule.uri,):  # exactly one URI (X509-SVID §2)
        return False
    return all(_values(peer.subject, name) == _values(rule.attributes, name) for name, _ in rule.attributes)


def _values(attributes: Iterable[tuple[str, str]], wanted: str) -> set[str]:
    return {value for name, value in attributes if name == wanted}


def read_peer(pem: bytes) -> Peer:
    """The identity in one URL-encoded PEM certificate. Raises Rejected for a certificate that no client should have."""
    if len(pem) > MAX_PEER:
        raise _invalid(f"larger than {MAX_PEER >> 10} KiB")
    text = unquote_to_bytes(pem).strip()
    if not (text.startswith(_BEGIN) and text.endswith(_END) and text.count(b"-----BEGIN") == 1):
        raise _invalid("not one PEM certificate")
    try:
        with warnings.catch_warnings(action="ignore"):  # cryptography's remarks about odd names are not for our log
            return _peer(x509.load_pem_x509_certificate(text))
    except _UNREADABLE as error:
        raise _invalid(f"unreadable: {type(error).__name__}") from None


def _require_strong(certificate: x509.Certificate) -> None:
    if not is_strong_key(certificate.public_key()):
        raise _invalid("a weak or unusual key")
    if not is_strong_signature(certificate):
        raise _invalid("signed with a weak or unusual digest")


def _require_client_leaf(certificate: x509.Certificate) -> _Extensions:
    """The extensions of a client's certificate (RFC 5280 §4.2.1.3, .9, .12); an absent one restricts nothing."""
    if any(item.critical and isinstance(item.value, x509.UnrecognizedExtension) for item in certificate.extensions):
        raise _invalid("an unknown critical extension")
    extensions = {item.oid: item.value for item in certificate.extensions}
    constraints = extensions.get(ExtensionOID.BASIC_CONSTRAINTS)
    usage = extensions.get(ExtensionOID.KEY_USAGE)
    purposes = extensions.get(ExtensionOID.EXTENDED_KEY_USAGE)
    if isinstance(constraints, x509.BasicConstraints) and constraints.ca:
        raise _invalid("a CA is no client")
    if isinstance(usage, x509.KeyUsage) and (usage.key_cert_sign or not usage.digital_signature):
        raise _invalid("its key usage is not a client's")
    if isinstance(purposes, x509.ExtendedKeyUsage) and ExtendedKeyUsageOID.CLIENT_AUTH not in purposes:
        raise _invalid("not for client authentication")
    return extensions


def _peer(certificate: x509.Certificate) -> Peer:
    _require_strong(certificate)
    extensions = _require_client_leaf(certificate)
    subject: dict[str, list[str]] = {}
    for attribute in certificate.subject:
        subject.setdefault(_attribute_name(attribute), []).append(_require_text(attribute.value))
    if len(subject.get("CN", ())) > 1:
        raise _invalid("more than one CN")
    uris, dns = _alternative_names(extensions)
    fingerprint = certificate.fingerprint(SHA256()).hex()
    document = {
        "verified": True,
        "subject": {name: values[0] if len(values) == 1 else values for name, values in subject.items()},
        "san": {"uri": uris, "dns": dns},
        "fingerprint_sha256": fingerprint,
    }
    return Peer(
        common_name=_only(subject.get("CN")),
        organization=_only(subject.get("O")),
        subject=frozenset((name, value) for name, values in subject.items() for value in values),
        uris=tuple(uris),
        dns=tuple(dns),
        fingerprint=fingerprint,
        serial=certificate.serial_number,
        issuer=certificate.issuer.rfc4514_string(),
        not_before=certificate.not_valid_before_utc.timestamp(),
        not_after=certificate.not_valid_after_utc.timestamp(),
        document=document,
    )


def _alternative_names(extensions: _Extensions) -> tuple[list[str], list[str]]:
    names = extensions.get(ExtensionOID.SUBJECT_ALTERNATIVE_NAME)
    if not isinstance(names, x509.SubjectAlternativeName):
        return [], []
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    dns = names.get_values_for_type(x509.DNSName)
    return [_require_text(uri) for uri in uris], [_require_text(name) for name in dns]


def _attribute_name(attribute: x509.NameAttribute[str | bytes]) -> str:
    """Its short name (RFC 4514 §3 and a few more), or the dotted OID."""
    return _NAMES_BY_OID.get(attribute.oid) or attribute.rfc4514_attribute_name


def _require_text(value: str | bytes) -> str:
    if not isinstance(value, str) or not value or not value.isprintable():
        raise _invalid("a name that is empty, not text, or has a control character")
    return value


def _only(values: list[str] | None) -> str:
    return values[0] if values is not None and len(values) == 1 else ""


def _invalid(detail: str) -> Rejected:
    return Rejected(Reason.CLIENT_CERT_INVALID, detail)
