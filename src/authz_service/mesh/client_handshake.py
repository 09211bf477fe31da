"""Whether Envoy's handshake would take a client's certificate, for whoever judges a request without Envoy.

From the same bundle and lists that Envoy is given. Not whether the client holds the key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from authz_service import pem_files
from authz_service.config.model import HttpTlsOfFiles
from authz_service.credentials.certificates import weak_links
from authz_service.mesh.model import Sidecar
from authz_service.trust.ca_bundles import CaBundle, load_ca_bundle
from authz_service.trust.crl import Crl, read_lists
from authz_service.trust.revocation_lists import RevocationList, RevocationLists

UNKNOWN_AUTHORITY = "no authority of client_ca_file has signed it"
_LONGEST = 10  # certificates in a chain
_AT = "client certificate"
_CLIENT = {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}


class CannotTell(Exception):  # noqa: N818 - it says what is the matter
    """The certificate has what only Envoy can judge."""


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom Envoy believes."""

    bundle: CaBundle
    lists: RevocationList | None
    given: tuple[Crl, ...]  # what Envoy is given of them: it wants one of each authority of a chain


def load_trust(tls: HttpTlsOfFiles, authorities: Path, now: float, *, gate: bool) -> Trust:
    """Raises CertificateProblems. `gate`: whether it looks at certificates, too."""
    bundle = load_ca_bundle(authorities, now)
    if tls.crl_file is None:
        return Trust(bundle, None, ())
    lists = RevocationLists().load(tls.crl_file, bundle, tls.crl_expired, now, gate=gate)
    given = () if lists.pem is None else tuple(read_lists(lists.pem.encode(), str(tls.crl_file)))
    return Trust(bundle, lists, given)


def trust_of(sidecar: Sidecar, now: float) -> Trust | None:
    """Whom a sidecar of a mesh believes; None where its file is not here. Raises CertificateProblems."""
    tls = sidecar.config.http.tls
    found = sidecar.find_file(tls.client_authorities) if isinstance(tls, HttpTlsOfFiles) else None
    if not isinstance(tls, HttpTlsOfFiles) or found is None:
        return None
    here = tls.model_copy(update={"crl_file": sidecar.find_file(tls.crl_file)})
    return load_trust(here, found, now, gate=sidecar.config.proxy.mtls.enabled)


def load_chain(file: Path) -> list[x509.Certificate]:
    """The client's own, and what it would send beside it. Raises CertificateProblems."""
    return pem_files.read_certificates(pem_files.read_file(file, _AT), _AT, str(file))


def refusal(chain: Sequence[x509.Certificate], trust: Trust, now: float) -> str:
    """Why it would not be taken; empty when it would. Raises CannotTell."""
    leaf = chain[0]
    if not pem_files.is_valid_at(leaf, now):
        begin, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
        return f"it is valid from {begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC"
    if not _is_for_clients(leaf):
        return "it is not for client authentication (extended key usage)"
    paths = _paths([leaf], chain[1:], trust.bundle.authorities, now)
    if not paths:
        return f"{UNKNOWN_AUTHORITY}; its issuer is {leaf.issuer.rfc4514_string()}"
    constrained = [path for path in paths if any(pem_files.extension(one, x509.NameConstraints) for one in path)]
    found = [_revoked_in(path, trust) for path in paths if path not in constrained]
    if "" in found:
        return ""
    if constrained:
        raise CannotTell("an authority above it has name constraints, which only Envoy judges")
    return found[0]


def _paths(
    path: list[x509.Certificate], sent: Sequence[x509.Certificate], trusted: Sequence[x509.Certificate], now: float
) -> list[list[x509.Certificate]]:
    """To an authority of the bundle, be it a root or not: Envoy wants no more."""
    found = []
    for one in dict.fromkeys([*trusted, *sent]):
        if one in path or len(path) >= _LONGEST or not _may_sign(one, path, now):
            continue
        if one in trusted:
            found.append([*path, one])
        else:
            found += _paths([*path, one], sent, trusted, now)
    return found


def _may_sign(authority: x509.Certificate, path: list[x509.Certificate], now: float) -> bool:
    constraints = pem_files.extension(authority, x509.BasicConstraints)
    return (
        pem_files.is_issued_by(path[-1], authority)
        and pem_files.is_authority(authority)
        and pem_files.is_valid_at(authority, now)
        and (constraints is None or constraints.path_length is None or len(path) - 1 <= constraints.path_length)
        and _is_for_clients(authority)
        and not weak_links([authority], _AT, "")
    )


def _is_for_clients(certificate: x509.Certificate) -> bool:
    usages = pem_files.extension(certificate, x509.ExtendedKeyUsage)
    return usages is None or bool(_CLIENT & set(usages))


def _revoked_in(path: Sequence[x509.Certificate], trust: Trust) -> str:
    """By the lists that Envoy is given; by others it is the gate that judges the client's own."""
    if trust.lists is None:
        return ""
    for one in path:
        listed = trust.given and (one.issuer.rfc4514_string(), one.serial_number) in trust.lists.revoked
        if listed or one in trust.lists.revoked_authorities:
            return f"{pem_files.name(one)} is on a revocation list"
    for authority in path[1:] if trust.given else ():
        if not any(one.is_for_clients and one.is_signed_by(authority) for one in trust.given):
            return f"there is no revocation list of {pem_files.name(authority)}"
    return ""
