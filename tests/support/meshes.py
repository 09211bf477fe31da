"""Meshes of `tests/meshes` and the example's, copied to a folder of their own, with certificates beside them."""

import shutil
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from authz_devkit.certs.tree import create_tree, own_file

ROOT = Path(__file__).parents[2]
MESHES = ROOT / "tests" / "meshes"
EXAMPLE = ROOT / "examples" / "three_zones"
SPEC = MESHES / "spec_as_written"
CORRECT = ("one_service", "four_zones", "spiffe", "other_provider")
"""Those in which nothing is to be found; the example and the generated mesh are the others."""


def example_mesh(folder: Path, *, now: datetime | None = None) -> Path:
    """The specification, corrected."""
    return _with_tree(EXAMPLE, folder, now)


def correct_mesh(name: str, folder: Path, *, now: datetime | None = None) -> Path:
    """One of CORRECT."""
    return _with_tree(MESHES / name, folder, now)


def mesh_of_the_specification(folder: Path, *, now: datetime | None = None) -> Path:
    """As it is written, with what its script would make."""
    shutil.copytree(SPEC, folder)
    _certificates_of_the_script(folder / "certs", now or datetime.now(UTC))
    return folder


def _with_tree(mesh: Path, folder: Path, now: datetime | None) -> Path:
    shutil.copytree(mesh, folder)
    certs = folder / "certs"
    if (names := folder / "tree.json").exists():
        certs.mkdir(mode=0o700)
        names.rename(own_file(certs))
    create_tree(certs, now=now or datetime.now(UTC))
    return folder


# What generate-certs.sh makes of its arguments: folder, CA, CN and the zone of the client certificate.
_SCRIPT = (
    ("gateway", "zone1", "api-gateway.zone1.local", "zone2"),
    ("order-service", "zone2", "order-service.zone2.local", "zone3"),
    ("payment-service", "zone2", "payment-service.zone2.local", "zone3"),
    ("data-service", "zone3", "data-service.zone3.local", ""),
)
_LIFETIME = timedelta(days=365)


def _certificates_of_the_script(certs: Path, now: datetime) -> None:
    """By its shapes: no alternative names, no usage, one lifetime for all, keys as readable as the rest."""
    authorities = {zone: _authority(certs / "ca" / f"{zone}-ca", zone, now) for zone in ("zone1", "zone2", "zone3")}
    for folder, zone, name, target in _SCRIPT:
        _leaf(certs / folder / "server", name, authorities[zone], now)
        if target:
            _leaf(certs / folder / f"client-{target}", f"{name}-client", authorities[target], now)


_Authority = tuple[x509.Name, rsa.RSAPrivateKey]


def _authority(base: Path, zone: str, now: datetime) -> _Authority:
    key, name = _key(f"{zone}-CA"), _name(f"{zone}-CA")
    builder = _certificate(name, name, key, now).add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
    _write(base, builder.sign(key, hashes.SHA256()), key)
    return name, key


def _leaf(base: Path, common_name: str, authority: _Authority, now: datetime) -> None:
    key = _key(f"{base.parent.name}/{base.name}")
    issuer, signer = authority
    _write(base, _certificate(_name(common_name), issuer, key, now).sign(signer, hashes.SHA256()), key)


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: rsa.RSAPrivateKey, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + _LIFETIME)
    )


@cache
def _key(of: str) -> rsa.RSAPrivateKey:
    """One per name and process: making them is slow."""
    return rsa.generate_private_key(65537, 2048)


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, common_name), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "MyOrg")]
    )


def _write(base: Path, certificate: x509.Certificate, key: rsa.RSAPrivateKey) -> None:
    base.parent.mkdir(parents=True, exist_ok=True)
    base.with_suffix(".crt").write_bytes(certificate.public_bytes(Encoding.PEM))
    private = base.with_suffix(".key")
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    private.chmod(0o644)
