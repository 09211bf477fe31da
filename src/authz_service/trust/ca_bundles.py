"""Judges bundles of authorities before Envoy sees them: whom we believe. What we show: `credentials.certificates`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from authz_service import pem_files
from authz_service.credentials.certificates import KeyPair, expiry_warnings, weak_links
from authz_service.errors import CertificateProblems, Problem


@dataclass(frozen=True, slots=True)
class CaBundle:
    """Authorities whose certificates are accepted."""

    pem: str
    authorities: tuple[x509.Certificate, ...]
    not_after: float  # the soonest of those that are still valid
    near_end: float  # from when on one of them should have been renewed
    warnings: tuple[str, ...]

    def covers(self, chain: Sequence[x509.Certificate]) -> bool:
        """Does it end at one of these authorities?"""
        last = chain[-1]
        return any(last == one or pem_files.is_issued_by(last, one) for one in self.authorities)


def load_ca_bundle(file: Path, now: float) -> CaBundle:
    """Raises CertificateProblems for a bundle that would refuse everybody, or trust what is no authority."""
    return parse_ca_bundle(pem_files.read_file(file, "CA bundle"), now, file=str(file))


def require_own_authority_kept(before: CaBundle, after: CaBundle, own: KeyPair) -> None:
    """Raises CertificateProblems for a bundle that drops the CA of our own live leaf: our peers get the same bundle."""
    if before.covers(own.chain) and not after.covers(own.chain):
        found = (
            f"the new bundle drops the authority of our own live certificate ({own.subject}, issued by {own.issuer})"
        )
        fix = "first replace that certificate by one of the new authority everywhere, then drop the old authority"
        raise CertificateProblems([Problem("CA bundle", found, fix)])


def parse_ca_bundle(pem: bytes, now: float, *, file: str = "") -> CaBundle:
    authorities = tuple(dict.fromkeys(pem_files.read_certificates(pem, "CA bundle", file)))
    fix = "put only authorities here, never a service's own certificate"
    problems = [
        Problem("CA bundle", f"{pem_files.name(one)} is not an authority", fix, file)
        for one in authorities
        if not pem_files.is_authority(one)
    ]
    problems += weak_links(authorities, "CA bundle", file)
    live = [one for one in authorities if pem_files.is_valid_at(one, now)]
    if not live:
        fix = "renew them: no peer could be accepted"
        problems.append(Problem("CA bundle", "no authority in it is valid at this time", fix, file))
    if problems:
        raise CertificateProblems(problems)
    unused = [f"{file}: {pem_files.name(one)} is not valid at this time" for one in authorities if one not in live]
    return CaBundle(
        pem=pem_files.to_pem(authorities),
        authorities=authorities,
        not_after=min(one.not_valid_after_utc.timestamp() for one in live),
        near_end=pem_files.near_end_of(live),
        warnings=(*unused, *_namesake_warnings(live, file), *expiry_warnings(live, now, file)),
    )


def _namesake_warnings(authorities: Sequence[x509.Certificate], file: str) -> list[str]:
    """Measured: of two authorities of one name BoringSSL tries the first that it cannot tell from the other."""
    return [
        f"{file}: two authorities are named {pem_files.name(one)}, and this does not say which is which (subject key "
        "identifier): certificates of the second in the file are refused; issue the authorities with it"
        for number, one in enumerate(authorities)
        if pem_files.extension(one, x509.SubjectKeyIdentifier) is None
        and any(pem_files.are_namesakes(one, other) for other in authorities[number + 1 :])
    ]
