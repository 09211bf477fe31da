"""Replacing certificates of a live tree: a leaf at once, a CA in steps that leave no moment without trust.

A CA changes in three steps, with time between them for every sidecar to reload:
`overlap` (both CAs are trusted, the new one signs) → new leaves (`rotate_leaf` on all) → `finish` (the old CA goes).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from authz_devkit.certs.authority import CLOCK_SKEW, Authority
from authz_devkit.certs.files import PRIVATE, PUBLIC, replace_file
from authz_devkit.certs.revocation import previous_key, refresh_crl
from authz_devkit.certs.tree import (
    CertsError,
    ca_bundle,
    ca_crl,
    ca_key,
    ip_addresses,
    issue_leaf,
    issuer_of,
    leaf_cert,
    load_authority,
    load_certificates,
    load_leaves,
    require_authority,
    require_place,
)


def rotate_leaf(
    root: Path, name: str, *, now: datetime, lifetime: timedelta | None = None, ips: Sequence[str] | None = None
) -> None:
    """A new key and certificate in place of the old. Lifetime and addresses are the old one's, unless given."""
    place = require_place(root, name)
    old = load_certificates(leaf_cert(root, name))[0]
    same = old.not_valid_after_utc - old.not_valid_before_utc - CLOCK_SKEW
    issue_leaf(root, place, now=now, lifetime=lifetime or same, ips=ip_addresses(old) if ips is None else ips)


def start_ca_overlap(root: Path, authority: str, *, now: datetime) -> None:
    """Step 1: the bundle holds the new and the old CA; from now on the new one signs."""
    bundle = _require_bundle(root, authority)
    if len(bundle) > 1:
        raise CertsError(f"{ca_bundle(root, authority)}: already holds {len(bundle)} CAs; finish this rotation first")
    old = load_authority(root, authority)
    new = Authority.create(_next_name(authority, old.certificate), now=now)
    replace_file(previous_key(root, authority), old.key_pem, PRIVATE)
    _write_bundle(root, authority, [new.certificate, old.certificate])
    replace_file(ca_key(root, authority), new.key_pem, PRIVATE)
    if ca_crl(root, authority).exists():
        refresh_crl(root, authority, now=now)


def finish_ca_overlap(root: Path, authority: str, *, now: datetime) -> None:
    """Step 3: the old CA leaves the bundle. Refused while one of our own leaves still needs it (trap T20)."""
    bundle = _require_bundle(root, authority)
    if len(bundle) < 2:
        raise CertsError(f"{ca_bundle(root, authority)}: holds one CA; start with the phase `overlap`")
    current = load_authority(root, authority).certificate
    stale = [
        place.name
        for place in load_leaves(root).values()
        if place.authority == authority
        and issuer_of(load_certificates(leaf_cert(root, place.name))[0], [current]) is None
    ]
    if stale:
        raise CertsError(f"still signed by the old {authority} CA: {', '.join(stale)}; rotate them before `finish`")
    _write_bundle(root, authority, [current])
    previous_key(root, authority).unlink(missing_ok=True)
    if ca_crl(root, authority).exists():
        refresh_crl(root, authority, now=now)


def _require_bundle(root: Path, authority: str) -> list[x509.Certificate]:
    require_authority(root, authority)
    return load_certificates(ca_bundle(root, authority))


def _write_bundle(root: Path, authority: str, certificates: Sequence[x509.Certificate]) -> None:
    pem = b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)
    replace_file(ca_bundle(root, authority), pem, PUBLIC)


def _next_name(authority: str, old: x509.Certificate) -> str:
    """`zone1-CA`, `zone1-CA-2`, …: two trusted CAs never share a name, so no verifier has to guess between them."""
    first = f"{authority}-CA"
    common_name = str(old.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
    generation = common_name.removeprefix(first).removeprefix("-")
    return f"{first}-{int(generation or 1) + 1}"
