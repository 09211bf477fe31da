"""Certificate revocation lists of the tree: one file per zone, holding a list of every CA in the zone's bundle."""

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from authz_devkit.certs.authority import CRL_LIFETIME, Authority
from authz_devkit.certs.files import PUBLIC, replace_file
from authz_devkit.certs.tree import (
    CertsError,
    authorities,
    ca_bundle,
    ca_crl,
    issuer_of,
    leaf_cert,
    load_authority,
    load_certificates,
    load_leaves,
    require_place,
)

_PEM_CRL = re.compile(rb"-----BEGIN X509 CRL-----.+?-----END X509 CRL-----\n?", re.DOTALL)


def revoke(root: Path, name: str, *, now: datetime) -> int:
    """Take back the certificate that lies under this name now; returns its serial number.

    The leaf stays on the disk and is refused from the reload on: rotate it to let its owner back in.
    """
    place = require_place(root, name)
    certificate = load_certificates(leaf_cert(root, name))[0]
    if issuer_of(certificate, load_certificates(ca_bundle(root, place.authority))) is None:
        raise CertsError(f"{leaf_cert(root, name)}: not signed by a CA of {ca_bundle(root, place.authority)}")
    refresh_crl(root, place.authority, now=now, revoke_also=certificate)
    return certificate.serial_number


def refresh_crl(root: Path, authority: str, *, now: datetime, revoke_also: x509.Certificate | None = None) -> None:
    """Sign the zone's list again (an empty one when there was none), for another `CRL_LIFETIME`.

    Every CA of the bundle gets its own list: a verifier refuses all leaves of a CA that has none (trap T19).
    """
    old = load_crls(ca_crl(root, authority))
    lists = []
    for ca in _authorities(root, authority):
        mine = [crl for crl in old if crl.is_signature_valid(ca.key.public_key())]
        serials = {revoked.serial_number for crl in mine for revoked in crl}
        if revoke_also is not None and issuer_of(revoke_also, [ca.certificate]) is not None:
            serials.add(revoke_also.serial_number)
        number = max((_number(crl) for crl in mine), default=0) + 1
        lists.append(ca.revocation_list(sorted(serials), number=number, now=now))
    pem = b"".join(crl.public_bytes(Encoding.PEM) for crl in lists)
    replace_file(ca_crl(root, authority), pem, PUBLIC)


def refresh_worn_crls(root: Path, *, now: datetime) -> None:
    """Sign the lists again that have lived half their life: an expired one refuses everybody (trap T19)."""
    for authority in authorities(load_leaves(root)):
        ends = [crl.next_update_utc for crl in load_crls(ca_crl(root, authority))]
        if any(end is None or end - now < CRL_LIFETIME / 2 for end in ends):
            refresh_crl(root, authority, now=now)


def load_crls(path: Path) -> Sequence[x509.CertificateRevocationList]:
    if not path.exists():
        return ()
    return [x509.load_pem_x509_crl(block) for block in _PEM_CRL.findall(path.read_bytes())]


def previous_key(root: Path, authority: str) -> Path:
    """The old CA's key, kept during an overlap only: its revocation list still has to be signed."""
    return root / "ca" / f"{authority}-ca.previous.key"


def _authorities(root: Path, authority: str) -> list[Authority]:
    current = load_authority(root, authority)
    old = previous_key(root, authority)
    return [current, load_authority(root, authority, key_file=old)] if old.exists() else [current]


def _number(crl: x509.CertificateRevocationList) -> int:
    return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
