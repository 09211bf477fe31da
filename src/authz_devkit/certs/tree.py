"""The certificate tree on disk, the example's or one of your own names: who has which certificate, from which CA.

It makes and reads the tree; replacing what is in it is `rotation`, taking it back is `revocation`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import click
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from authz_devkit.certs.authority import (
    LEAF_LIFETIME,
    Authority,
    KeyPair,
    PrivateKey,
    Request,
    client_request,
    server_request,
)
from authz_devkit.certs.files import PRIVATE, PUBLIC, make_private_directory, replace_file, replace_pair


class CertsError(click.ClickException):
    """The tree cannot be used or changed as asked. The text names the file and the remedy."""


@dataclass(frozen=True, slots=True)
class Place:
    """One leaf of the tree. A server has a `host`; a client has the name and the home zone of its `service`.

    `authority` is the CA of the zone in which the certificate is *used*: a client's is the target's (correction 1).
    """

    name: str
    authority: str
    host: str = ""
    service: str = ""
    zone: str = ""

    def request(self, *, now: datetime, lifetime: timedelta, ips: Sequence[str]) -> Request:
        if self.host:
            return server_request(self.host, now=now, lifetime=lifetime, ips=ips)
        return client_request(self.service, self.zone, now=now, lifetime=lifetime)


# The example's.
LEAVES = {
    place.name: place
    for place in (
        Place("gateway/server", "zone1", host="api-gateway.zone1.local"),
        Place("gateway/client-zone2", "zone2", service="api-gateway", zone="zone1"),
        Place("order-service/server", "zone2", host="order-service.zone2.local"),
        Place("order-service/client-zone3", "zone3", service="order-service", zone="zone2"),
        Place("payment-service/server", "zone2", host="payment-service.zone2.local"),
        Place("payment-service/client-zone3", "zone3", service="payment-service", zone="zone2"),
        Place("data-service/server", "zone3", host="data-service.zone3.local"),
        Place("identity-provider/server", "identity", host="keycloak.example.com"),
    )
}


def load_leaves(root: Path) -> dict[str, Place]:
    """Whose certificates are in this tree: those of its own names, else the example's."""
    return own_leaves(root) if own_file(root).exists() else LEAVES


def authorities(leaves: Mapping[str, Place]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(place.authority for place in leaves.values()))


def require_authority(root: Path, name: str) -> None:
    if name not in (known := authorities(load_leaves(root))):
        raise CertsError(f"no such CA: {name}; known are {', '.join(known)}")


def own_file(root: Path) -> Path:
    """The list of a tree's own names."""
    return root / "tree.json"


def own_leaves(root: Path) -> dict[str, Place]:
    try:
        places = [Place(**place) for place in json.loads(own_file(root).read_bytes())]
    except (OSError, ValueError, TypeError) as problem:
        raise CertsError(f"{own_file(root)}: {problem}; restore it, or name another folder") from problem
    return {place.name: place for place in places}


def create_tree(
    root: Path,
    *,
    now: datetime,
    lifetime: timedelta = LEAF_LIFETIME,
    ips: Mapping[str, Sequence[str]] | None = None,
) -> tuple[str, ...]:
    """Make what is missing, broken, worn (less than a third of its life left) or lacks an address; keep all else.

    `ips` are more addresses per owner of a server certificate (`{"gateway": ["127.77.1.1"]}`). Returns what was made.
    """
    wanted = {owner: tuple(addresses) for owner, addresses in (ips or {}).items()}
    leaves = load_leaves(root)
    owners = tuple(dict.fromkeys(name.partition("/")[0] for name in leaves))
    if strangers := sorted(wanted.keys() - set(owners)):
        raise CertsError(f"no such owner of a certificate: {', '.join(strangers)}; known are {', '.join(owners)}")
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    for folder in ("ca", *owners):
        make_private_directory(root / folder)
    made = [f"ca/{name}-ca" for name in authorities(leaves) if _ensure_authority(root, name, now)]
    for place in leaves.values():
        addresses = wanted.get(place.name.partition("/")[0], ()) if place.host else ()
        if not _is_good(root, place, addresses, now):
            issue_leaf(root, place, now=now, lifetime=lifetime, ips=addresses)
            made.append(place.name)
    return tuple(made)


def issue_leaf(root: Path, place: Place, *, now: datetime, lifetime: timedelta, ips: Sequence[str] = ()) -> None:
    pair = load_authority(root, place.authority).issue(place.request(now=now, lifetime=lifetime, ips=ips))
    replace_pair(leaf_cert(root, place.name), pair.cert_pem, leaf_key(root, place.name), pair.key_pem)


def leaf_cert(root: Path, name: str) -> Path:
    return root / f"{name}.crt"


def leaf_key(root: Path, name: str) -> Path:
    return root / f"{name}.key"


def ca_bundle(root: Path, authority: str) -> Path:
    return root / "ca" / f"{authority}-ca.crt"


def ca_key(root: Path, authority: str) -> Path:
    return root / "ca" / f"{authority}-ca.key"


def ca_crl(root: Path, authority: str) -> Path:
    return root / "ca" / f"{authority}-ca.crl"


def require_place(root: Path, name: str) -> Place:
    leaves = load_leaves(root)
    place = leaves.get(name)
    if place is None:
        raise CertsError(f"no such certificate: {name}; known are {', '.join(leaves)}")
    return place


def load_authority(root: Path, authority: str, *, key_file: Path | None = None) -> Authority:
    """The CA that signs now: the certificate of the bundle that belongs to the key."""
    key = _load_key(key_file or ca_key(root, authority))
    for certificate in load_certificates(ca_bundle(root, authority)):
        if certificate.public_key() == key.public_key():
            return Authority(certificate, key)
    raise CertsError(
        f"{ca_bundle(root, authority)}: no certificate belongs to the key beside it; "
        "restore the key, or remove both files and every leaf of this zone and create the tree again"
    )


def load_leaf(root: Path, name: str) -> KeyPair:
    certificate = load_certificates(leaf_cert(root, name))[0]
    key = _load_key(leaf_key(root, name))
    if certificate.public_key() != key.public_key():
        raise CertsError(f"{leaf_cert(root, name)}: does not belong to its key; rotate this certificate")
    return KeyPair(certificate, key)


def load_certificates(path: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as problem:
        raise CertsError(f"{path}: {problem}; create the tree again to make what is missing") from problem


def issuer_of(certificate: x509.Certificate, candidates: Sequence[x509.Certificate]) -> x509.Certificate | None:
    return next((ca for ca in candidates if _signed_by(certificate, ca)), None)


def ip_addresses(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(str(address) for address in names.get_values_for_type(x509.IPAddress))


def _ensure_authority(root: Path, name: str, now: datetime) -> bool:
    bundle, key = ca_bundle(root, name), ca_key(root, name)
    if bundle.exists() or key.exists():
        load_authority(root, name)  # raises when the two do not belong together: a root is never replaced silently
        return False
    authority = Authority.create(f"{name}-CA", now=now)
    replace_file(key, authority.key_pem, PRIVATE)
    replace_file(bundle, authority.cert_pem, PUBLIC)
    return True


def _is_good(root: Path, place: Place, addresses: Sequence[str], now: datetime) -> bool:
    try:
        certificate = load_leaf(root, place.name).certificate
    except CertsError:
        return False
    span = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    return (
        issuer_of(certificate, load_certificates(ca_bundle(root, place.authority))) is not None
        and certificate.not_valid_after_utc - now > span / 3
        and set(addresses) <= set(ip_addresses(certificate))
    )


def _signed_by(certificate: x509.Certificate, ca: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(ca)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _load_key(path: Path) -> PrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as problem:
        raise CertsError(
            f"{path}: {problem}; restore it, or remove its certificate and create the tree again"
        ) from problem
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise CertsError(f"{path}: not an elliptic curve key; this tree is not one of ours")
    return key
