"""The tree as a table for a person."""

from datetime import datetime
from pathlib import Path

from cryptography import x509
from rich.table import Table

from authz_devkit.certs.revocation import load_crls
from authz_devkit.certs.tree import AUTHORITIES, LEAVES, ca_bundle, ca_crl, leaf_cert, load_certificates


def table(root: Path, *, now: datetime) -> Table:
    result = Table(title=str(root), title_justify="left", box=None, padding=(0, 1, 0, 0))
    for column in ("who", "subject", "names", "issuer", "expires (UTC)", "state"):
        result.add_column(column, overflow="fold", no_wrap=column == "who")
    for name in AUTHORITIES:
        for certificate in load_certificates(ca_bundle(root, name)):
            result.add_row(*_row(f"ca/{name}-ca", certificate, revoked=frozenset(), now=now))
    for name, place in LEAVES.items():
        crls = load_crls(ca_crl(root, place.authority))
        revoked = frozenset((crl.issuer, entry.serial_number) for crl in crls for entry in crl)
        result.add_row(*_row(name, load_certificates(leaf_cert(root, name))[0], revoked=revoked, now=now))
    return result


def _row(
    name: str, certificate: x509.Certificate, *, revoked: frozenset[tuple[x509.Name, int]], now: datetime
) -> tuple[str, ...]:
    left = certificate.not_valid_after_utc - now
    if (certificate.issuer, certificate.serial_number) in revoked:
        state = "[red]revoked"
    elif left.total_seconds() <= 0:
        state = "[red]expired"
    else:
        state = "[green]good"
    return (
        name,
        certificate.subject.rfc4514_string(),
        ", ".join(_names(certificate)),
        certificate.issuer.rfc4514_string(),
        f"{certificate.not_valid_after_utc:%Y-%m-%d %H:%M}, in {left.days} d {left.seconds // 3600} h",
        state,
    )


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [str(name.value) for name in names]
