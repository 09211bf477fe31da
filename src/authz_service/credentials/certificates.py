"""Judges our own certificates and keys before Envoy sees them. Not a caller's certificate (see `identity`).

Reading a file is the thin outside (`load_…`); the judgement (`parse_…`) is pure over bytes and tells all at once.
"""

import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID

from authz_service import pem_files
from authz_service.domain.secret import Secret
from authz_service.domain.strong_keys import KINDS, is_strong_key, is_strong_signature, weakness_of
from authz_service.errors import CertificateProblems, Problem

_USAGES = {"server": ExtendedKeyUsageOID.SERVER_AUTH, "client": ExtendedKeyUsageOID.CLIENT_AUTH}

Purpose = Literal["server", "client"]


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate chain and its key, fit to be presented."""

    chain_pem: str
    key_pem: Secret
    chain: tuple[x509.Certificate, ...]  # the leaf first
    subject: str  # RFC 4514
    issuer: str
    names: tuple[str, ...]  # DNS names and URIs
    fingerprint: str  # SHA-256 of the leaf's DER, lower-case hex
    not_before: float  # seconds since the epoch
    not_after: float  # the soonest of the chain
    near_end: float  # from when on it should have been renewed
    warnings: tuple[str, ...]


def load_key_pair(cert_file: Path, key_file: Path, purpose: Purpose, now: float) -> KeyPair:
    """Raises CertificateProblems for a pair that Envoy or its peers would refuse."""
    chain = pem_files.read_file(cert_file, "certificate")
    key = pem_files.read_file(key_file, "private key")
    pair = parse_key_pair(chain, key, purpose, now, files=(str(cert_file), str(key_file)))
    if _is_open(key_file):
        warning = f"{key_file}: group or others may use the private key; chmod 600"
        return replace(pair, warnings=(*pair.warnings, warning))
    return pair


def _is_open(key_file: Path) -> bool:
    """To more than its owner, and a group of ours that may only read (what Kubernetes' `fsGroup` makes of a secret)."""
    status = key_file.stat()
    ours = {os.getegid(), *os.getgroups()}
    return bool(status.st_mode & (0o037 if status.st_gid in ours else 0o077))


def parse_key_pair(
    chain_pem: bytes,
    key_pem: bytes,
    purpose: Purpose,
    now: float,
    *,
    files: tuple[str, str] = ("", ""),
) -> KeyPair:
    """`files` are the names to tell in a problem: the certificate's and the key's."""
    cert_file, key_file = files
    problems: list[Problem] = []
    key, chain = None, []
    try:
        chain = pem_files.read_certificates(chain_pem, "certificate", cert_file)
        problems += _chain_problems(chain, purpose, now, cert_file)
    except CertificateProblems as found:
        problems += found.problems
    try:
        key = _read_key(key_pem, key_file)
    except CertificateProblems as found:
        problems += found.problems
    if key and chain and key.public_key() != chain[0].public_key():
        told = f"it does not belong to the certificate {pem_files.name(chain[0])}"
        problems.append(
            Problem("private key", told, "give both files of one pair, and replace them together", key_file)
        )
    if problems or key is None:
        raise CertificateProblems(problems)
    return _key_pair(chain, key, _chain_warnings(chain, purpose, now, cert_file))


def _key_pair(chain: Sequence[x509.Certificate], key: PrivateKeyTypes, warnings: Sequence[str]) -> KeyPair:
    leaf = chain[0]
    key_pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return KeyPair(
        chain_pem=pem_files.to_pem(chain),
        key_pem=Secret(key_pem.decode("ascii")),
        chain=tuple(chain),
        subject=leaf.subject.rfc4514_string(),
        issuer=leaf.issuer.rfc4514_string(),
        names=pem_files.alternative_names(leaf),
        fingerprint=leaf.fingerprint(hashes.SHA256()).hex(),
        not_before=leaf.not_valid_before_utc.timestamp(),
        not_after=min(one.not_valid_after_utc.timestamp() for one in chain),
        near_end=pem_files.near_end_of(chain),
        warnings=tuple(warnings),
    )


def _read_key(pem: bytes, file: str) -> PrivateKeyTypes:
    """Of a kind that Envoy serves (measured: RSA below 2048 bits and P-224 stop a listener)."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except TypeError as error:
        fix = "give it without a passphrase, in a file of mode 600"
        raise CertificateProblems([Problem("private key", "it is encrypted", fix, file)]) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        fix = "give the PEM file that belongs to the certificate"
        raise CertificateProblems([Problem("private key", "not a PEM private key", fix, file)]) from error
    public = key.public_key()
    if not is_strong_key(public):
        raise CertificateProblems([Problem("private key", "a kind of key that TLS peers refuse", f"use {KINDS}", file)])
    return key


def _chain_problems(chain: Sequence[x509.Certificate], purpose: Purpose, now: float, file: str) -> list[Problem]:
    problems = []
    for one in chain:
        if now >= one.not_valid_after_utc.timestamp():
            found = f"{pem_files.name(one)} expired at {one.not_valid_after_utc:%Y-%m-%d %H:%M:%S} UTC"
            problems.append(Problem("certificate", found, "renew it", file))
        elif not pem_files.is_valid_at(one, now):
            found = f"{pem_files.name(one)} is valid only from {one.not_valid_before_utc:%Y-%m-%d %H:%M:%S} UTC"
            problems.append(Problem("certificate", found, "wait, or set the clock", file))
    problems += weak_links(chain, "certificate", file)
    constraints = pem_files.extension(chain[0], x509.BasicConstraints)
    if constraints is not None and constraints.ca:
        found = f"{pem_files.name(chain[0])} is an authority, and no peer takes one for a service"
        problems.append(Problem("certificate", found, "issue a certificate for the service by it", file))
    usages = pem_files.extension(chain[0], x509.ExtendedKeyUsage)
    if usages is not None and not {_USAGES[purpose], ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE} & set(usages):
        found = f"{pem_files.name(chain[0])} is not made for a TLS {purpose} (extended key usage)"
        problems.append(Problem("certificate", found, f"issue one with {purpose}Auth", file))
    for lower, upper in itertools.pairwise(chain):
        if not pem_files.is_issued_by(lower, upper):
            found = f"{pem_files.name(lower)} is not issued by the next in the file, {pem_files.name(upper)}"
            problems.append(
                Problem("certificate", found, "the leaf first, then each one's issuer, and no others", file)
            )
    return problems


def weak_links(certificates: Sequence[x509.Certificate], what: str, file: str) -> list[Problem]:
    """Keys that can be broken, and signatures that can be forged. Nobody relies on a root's signature of itself."""
    problems = []
    for one in certificates:
        if weakness := weakness_of(one.public_key()):
            found = f"{pem_files.name(one)} has a weak or unusual key: {weakness}"
            problems.append(Problem(what, found, f"use {KINDS}", file))
        if one.subject != one.issuer and not _is_well_signed(one):
            found = f"{pem_files.name(one)} is signed with a weak or unusual digest"
            problems.append(Problem(what, found, "have it signed with SHA-256 or better", file))
    return problems


def _is_well_signed(certificate: x509.Certificate) -> bool:
    try:
        return is_strong_signature(certificate)
    except (ValueError, UnsupportedAlgorithm):
        return False


def _chain_warnings(chain: Sequence[x509.Certificate], purpose: Purpose, now: float, file: str) -> list[str]:
    warnings = expiry_warnings(chain, now, file)
    if purpose == "server" and not pem_files.alternative_names(chain[0]):
        warnings.append(f"{file}: without a subject alternative name no modern client accepts it (RFC 9525 §2)")
    return warnings


def expiry_warnings(certificates: Sequence[x509.Certificate], now: float, file: str) -> list[str]:
    warnings = []
    for one in certificates:
        if pem_files.near_end_of([one]) < now:
            left = pem_files.in_words(one.not_valid_after_utc.timestamp() - now)
            warnings.append(f"{file}: {pem_files.name(one)} expires in {left}")
    return warnings
