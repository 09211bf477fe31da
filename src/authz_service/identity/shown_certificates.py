"""Which certificate a connection showed, for the record of whoever was refused. Proves nothing, and lets nobody in."""

import warnings
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from authz_service.domain.bounded import Bounded

_MAX_CACHED = 256


class Shown(NamedTuple):
    """As much of it as can be read."""

    name: str  # its CN, or its first URI or DNS name; "" when it has none
    fingerprint: str  # as Peer.fingerprint; "" when it is no certificate


NOTHING = Shown("", "")


class ShownCertificates:
    """Reads each once."""

    def __init__(self) -> None:
        self._known: Bounded[bytes, Shown] = Bounded(_MAX_CACHED)

    def read(self, pem: bytes) -> Shown:
        """Never raises: `pem` is what Envoy says of the connection, URL-encoded."""
        if not pem:
            return NOTHING
        shown = self._known.get(pem)
        if shown is None:
            shown = self._known[pem] = _read(pem)
        return shown


def _read(pem: bytes) -> Shown:
    try:
        with warnings.catch_warnings(action="ignore"):
            certificate = x509.load_pem_x509_certificate(unquote_to_bytes(pem))
        fingerprint = certificate.fingerprint(SHA256()).hex()
    except Exception:  # noqa: BLE001 - the parser's errors have no common base, and a record is written in any case
        return NOTHING
    try:
        return Shown(_name(certificate), fingerprint)
    except Exception:  # noqa: BLE001 - as above: a name that cannot be read
        return Shown("", fingerprint)


def _name(certificate: x509.Certificate) -> str:
    names: Sequence[x509.NameAttribute[str | bytes]] = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    common = [one.value for one in names if isinstance(one.value, str) and one.value]
    if common:
        return " ".join(common)
    extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    uris = extension.value.get_values_for_type(x509.UniformResourceIdentifier)
    return next(iter((*uris, *extension.value.get_values_for_type(x509.DNSName))), "")
