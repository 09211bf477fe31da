"""Judges certificate revocation lists (RFC 5280 §5): Envoy would take garbage, and then refuse everybody."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from authz_service.credentials import pem_files
from authz_service.credentials.certificates import CaBundle
from authz_service.errors import CertificateProblems, Problem

_BLOCK = re.compile(rb"-----BEGIN X509 CRL-----.+?-----END X509 CRL-----", re.DOTALL)
_AT = "revocation list"

ExpiredPolicy = Literal["deny", "ignore"]


@dataclass(frozen=True, slots=True)
class RevocationList:
    """One list for each authority of a bundle. `pem` is None when Envoy must not see an expired list."""

    pem: str | None
    revoked: frozenset[tuple[str, int]]  # (issuer, RFC 4514; serial), for the check on every request
    next_update: float  # seconds since the epoch, the soonest; infinity when no list says it
    warnings: tuple[str, ...]

    def seconds_to_expiry(self, now: float) -> float:
        return self.next_update - now


def load_crl(file: Path, bundle: CaBundle, expired: ExpiredPolicy, now: float) -> RevocationList:
    """Raises CertificateProblems for lists that would refuse everybody, or that nobody vouches for."""
    return parse_crl(pem_files.read_file(file, _AT), bundle, expired, now, file=str(file))


def parse_crl(pem: bytes, bundle: CaBundle, expired: ExpiredPolicy, now: float, *, file: str = "") -> RevocationList:
    """An expired list: `deny` refuses the file; `ignore` keeps it from Envoy, and what it revoked stays revoked."""
    lists = _read(pem, file)
    problems = _coverage_problems(lists, bundle, now, file)
    warnings: list[str] = []
    for one in lists:
        found, fix = _found_wrong(one, bundle, expired, now)
        if found:
            problems.append(Problem(_AT, f"{_name(one)}: {found}", fix, file))
        elif not _signers(one, bundle):
            warnings.append(f"{file}: {_name(one)} is no authority of the bundle; its list is not used")
    if problems:
        raise CertificateProblems(problems)
    used = [one for one in lists if _signers(one, bundle)]
    next_update = min(map(_next_update, used))
    if next_update <= now:
        warnings.append(f"{file}: expired; certificates revoked since then are accepted (crl_expired: ignore)")
    warnings += [
        f"{file}: the list of {_name(one)} ends in {pem_files.in_words(_next_update(one) - now)}"
        for one in used
        if now < _next_update(one) and pem_files.is_near_end(one.last_update_utc.timestamp(), _next_update(one), now)
    ]
    return RevocationList(
        pem=None if next_update <= now else _to_pem(used),
        revoked=frozenset((_name(one), entry.serial_number) for one in used for entry in one),
        next_update=next_update,
        warnings=tuple(warnings),
    )


def _read(pem: bytes, file: str) -> list[x509.CertificateRevocationList]:
    try:
        lists = [x509.load_pem_x509_crl(block) for block in _BLOCK.findall(pem)]
        for one in lists:  # these are parsed late, and raise when they are garbage
            one.issuer, one.extensions, [entry.serial_number for entry in one]
    except Exception as error:  # the parser's errors have no common base: InvalidVersion, TypeError, …
        raise CertificateProblems(
            [Problem(_AT, "it cannot be read", "fetch it again from its authority", file)]
        ) from error
    if not lists:
        fix = "give a PEM file with `-----BEGIN X509 CRL-----` blocks"
        raise CertificateProblems([Problem(_AT, "no revocation list in it", fix, file)])
    return lists


def _coverage_problems(
    lists: Sequence[x509.CertificateRevocationList], bundle: CaBundle, now: float, file: str
) -> list[Problem]:
    """With a list for one authority, Envoy refuses the clients of every authority that has none."""
    return [
        Problem(_AT, f"no list of {pem_files.name(one)}, whose clients would all be refused", "add its list", file)
        for one in bundle.authorities
        if pem_files.is_valid_at(one, now) and not any(_is_signed_by(candidate, one) for candidate in lists)
    ]


def _found_wrong(
    crl: x509.CertificateRevocationList, bundle: CaBundle, expired: ExpiredPolicy, now: float
) -> tuple[str, str]:
    """(what, remedy), or two empty strings."""
    named = [one for one in bundle.authorities if one.subject == crl.issuer]
    signers = _signers(crl, bundle)
    usages = [pem_files.extension(one, x509.KeyUsage) for one in signers]
    if named and not signers:
        return "its signature is not that of the authority in the bundle", "fetch it again from its authority"
    if any(usage is not None and not usage.crl_sign for usage in usages):
        return "its authority may not sign lists (key usage)", "issue the authority with cRLSign"
    if any(isinstance(extension.value, x509.DeltaCRLIndicator) for extension in crl.extensions):
        return "it lists changes only (delta)", "give the complete list"
    if crl.last_update_utc.timestamp() > now:
        return "it is from the future", "set the clock, or fetch it again"
    if signers and expired == "deny" and _next_update(crl) <= now:
        return "it has expired, and crl_expired is deny", "publish a new list; or crl_expired: ignore, at your risk"
    return "", ""


def _signers(crl: x509.CertificateRevocationList, bundle: CaBundle) -> list[x509.Certificate]:
    return [one for one in bundle.authorities if _is_signed_by(crl, one)]


def _is_signed_by(crl: x509.CertificateRevocationList, authority: x509.Certificate) -> bool:
    try:
        return crl.issuer == authority.subject and crl.is_signature_valid(authority.public_key())  # type: ignore[arg-type]
    except (TypeError, ValueError, UnsupportedAlgorithm):
        return False


def _next_update(crl: x509.CertificateRevocationList) -> float:
    return crl.next_update_utc.timestamp() if crl.next_update_utc else float("inf")


def _name(crl: x509.CertificateRevocationList) -> str:
    return crl.issuer.rfc4514_string()


def _to_pem(lists: Sequence[x509.CertificateRevocationList]) -> str:
    return "".join(one.public_bytes(serialization.Encoding.PEM).decode("ascii") for one in lists)
