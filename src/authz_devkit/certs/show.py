"""The tree for a person: who has which certificate, from whom, and until when."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from cryptography import x509
from rich.markup import escape

from authz_devkit.certs.revocation import load_crls
from authz_devkit.certs.tree import authorities, ca_bundle, ca_crl, leaf_cert, load_certificates, load_leaves


def told(root: Path, *, now: datetime) -> Iterator[str]:
    """Lines of a rich console: one field a line, for subjects and names are long."""
    leaves = load_leaves(root)
    for name in authorities(leaves):
        for certificate in load_certificates(ca_bundle(root, name)):
            yield from _lines(f"ca/{name}-ca", certificate, revoked=frozenset(), now=now)
    for name, place in leaves.items():
        crls = load_crls(ca_crl(root, place.authority))
        revoked = frozenset((crl.issuer, entry.serial_number) for crl in crls for entry in crl)
        yield from _lines(name, load_certificates(leaf_cert(root, name))[0], revoked=revoked, now=now)


def _lines(
    name: str, certificate: x509.Certificate, *, revoked: frozenset[tuple[x509.Name, int]], now: datetime
) -> Iterator[str]:
    left = certificate.not_valid_after_utc - now
    if (certificate.issuer, certificate.serial_number) in revoked:
        state = "[red]revoked[/]"
    elif left.total_seconds() <= 0:
        state = "[red]expired[/]"
    else:
        state = f"[green]good[/], {left.days} d {left.seconds // 3600} h left"
    yield f"[bold]{name}[/]  {state}"
    yield f"  until   {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
    yield f"  subject {escape(certificate.subject.rfc4514_string())}"
    if names := _names(certificate):
        yield f"  names   {escape(', '.join(names))}"
    yield f"  issuer  {escape(certificate.issuer.rfc4514_string())}"


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [str(name.value) for name in names]
