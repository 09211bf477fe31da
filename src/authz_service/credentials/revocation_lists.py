"""Judges certificate revocation lists (RFC 5280 §5): of a shape that Envoy does not process, it refuses everybody.

Which shapes these are was measured (tests/integration/envoy/test_revocation_shapes.py). What Envoy cannot use, the gate
can: it knows each client's certificate, and which authority has a list.
"""

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

LARGEST_FILE = 8 << 20  # 200,000 entries
_BLOCK = re.compile(rb"-----BEGIN X509 CRL-----.+?-----END X509 CRL-----", re.DOTALL)
_AT = "revocation list"
# What BoringSSL knows of the critical ones; a list with another is used for nobody.
_KNOWN = (x509.IssuingDistributionPoint, x509.AuthorityKeyIdentifier, x509.CRLNumber)

ExpiredPolicy = Literal["deny", "ignore"]
Listed = tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class RevocationList:
    """One list for each authority of a bundle. `pem` is None when Envoy must not see them."""

    pem: str | None
    revoked: frozenset[tuple[str, int]]  # (issuer, RFC 4514; serial), for the check on every request
    next_update: float  # seconds since the epoch, the soonest; infinity when no list says it
    warnings: tuple[str, ...]
    # (authority, the distribution points that its lists are for; none: all of its clients). Not None: the gate lets in
    # whom these cover, and nobody else.
    listed: Listed | None = None

    def seconds_to_expiry(self, now: float) -> float:
        return self.next_update - now


@dataclass(frozen=True, slots=True)
class _List:
    """What is needed of a list, read once: each of its entries costs time."""

    crl: x509.CertificateRevocationList
    issuer: x509.Name
    name: str
    serials: tuple[int, ...]
    begin: float
    end: float  # infinity when it does not say
    scope: x509.IssuingDistributionPoint | None
    urls: tuple[str, ...]  # of its scope
    unusable: str  # for what reason it can be used by nobody

    @property
    def is_for_clients(self) -> bool:
        return self.scope is None or not self.scope.only_contains_ca_certs

    def covers(self, authority: x509.Certificate) -> bool:
        """As BoringSSL says it of a certificate in the chain of a client."""
        if self.scope is not None and self.scope.only_contains_user_certs:
            return False
        return not self.urls or not set(self.urls).isdisjoint(distribution_points(authority))


class RevocationLists:
    """Reads a file of lists, and what it has read before only when it changes."""

    def __init__(self) -> None:
        self._content = b""
        self._lists: list[_List] = []

    def load(
        self, file: Path, bundle: CaBundle, expired: ExpiredPolicy, now: float, *, gate: bool = True
    ) -> RevocationList:
        """Raises CertificateProblems for lists that would refuse everybody, or that nobody vouches for.

        `gate`: whether certificates are looked at on each request (`proxy.mtls`).
        """
        content = pem_files.read_file(file, _AT, largest=LARGEST_FILE)
        if content != self._content or not self._lists:
            self._lists, self._content = _read(content, str(file)), content
        return _judged(self._lists, bundle, expired, now, str(file), gate=gate)


def parse_crl(
    pem: bytes, bundle: CaBundle, expired: ExpiredPolicy, now: float, *, file: str = "", gate: bool = True
) -> RevocationList:
    """An expired list: `deny` refuses the file; `ignore` keeps it from Envoy, and what it revoked stays revoked."""
    return _judged(_read(pem, file), bundle, expired, now, file, gate=gate)


def distribution_points(certificate: x509.Certificate) -> list[str]:
    """Where its list is, as URLs (RFC 5280 §4.2.1.13)."""
    points = pem_files.extension(certificate, x509.CRLDistributionPoints) or ()
    return [url for point in points for url in _urls(point.full_name)]


def _judged(
    lists: Sequence[_List], bundle: CaBundle, expired: ExpiredPolicy, now: float, file: str, *, gate: bool
) -> RevocationList:
    lists = [one for one in lists if not _is_superseded(one, lists, now)]
    problems = _coverage_problems(lists, bundle, now, file)
    warnings: list[str] = []
    used = []
    for one in lists:
        found, fix = _found_wrong(one, bundle, expired, now)
        if found:
            problems.append(Problem(_AT, f"{one.name}: {found}", fix, file))
        elif _is_named(one, bundle) or one.end > now:
            used.append(one)
        else:
            warnings.append(f"{file}: {one.name} is no authority of the bundle; its list has expired and is not used")
    if problems:
        raise CertificateProblems(problems)
    next_update = min(one.end for one in used)
    listed = None
    if next_update <= now:
        warnings.append(f"{file}: expired; certificates revoked since then are accepted (crl_expired: ignore)")
    elif not _is_enough_for_envoy(used, bundle, now):
        listed = _for_the_gate(used, bundle, now, file, gate=gate)
    warnings += [
        f"{file}: the list of {one.name} ends in {pem_files.in_words(one.end - now)}"
        for one in used
        if now < one.end and pem_files.is_near_end(one.begin, one.end, now)
    ]
    return RevocationList(
        pem=None if next_update <= now or listed is not None else _to_pem(used),
        revoked=frozenset((one.name, serial) for one in used for serial in one.serials),
        next_update=next_update,
        warnings=tuple(warnings),
        listed=listed,
    )


def _is_enough_for_envoy(lists: Sequence[_List], bundle: CaBundle, now: float) -> bool:
    """Envoy wants a list for every certificate of a client's chain, the root's own included, and of a scope that has it
    in it. The clients of one that has none are all refused, and so is everybody below it.
    """

    def are_enough(authority: x509.Certificate) -> bool:
        above = _above(authority, bundle)
        of_itself = any(one.covers(authority) and any(_is_signed_by(one, each) for each in above) for one in lists)
        of_clients = any(one.is_for_clients and not one.urls and _is_signed_by(one, authority) for one in lists)
        return of_itself and of_clients

    return all(are_enough(one) for one in bundle.authorities if pem_files.is_valid_at(one, now))


def _for_the_gate(lists: Sequence[_List], bundle: CaBundle, now: float, file: str, *, gate: bool) -> Listed:
    """Raises CertificateProblems where the gate cannot do Envoy's work."""
    fix = "add its certificate to client_ca_file, or remove its list"
    problems = [
        Problem(_AT, f"{one.name} is no authority of the bundle, and the gate knows no other", fix, file)
        for one in lists
        if not _is_named(one, bundle)
    ]
    if not gate:
        found = (
            "they have an issuing distribution point, or an authority above those of the bundle: Envoy would refuse all"
        )
        fix = "set proxy.mtls.allowed_clients: then the gate looks at them; or publish lists without that extension"
        problems.append(Problem(_AT, found, fix, file))
    if problems:
        raise CertificateProblems(problems)
    found_lists: dict[str, tuple[str, ...]] = {}
    for authority in bundle.authorities:
        if pem_files.is_valid_at(authority, now) and not _is_revoked(authority, lists, bundle):
            own = [one for one in lists if one.is_for_clients and _is_signed_by(one, authority)]
            urls = () if any(not one.urls for one in own) else tuple(sorted({url for one in own for url in one.urls}))
            before = found_lists.get(own[0].name, urls)  # another one of the same name, when a CA changes its key
            found_lists[own[0].name] = tuple(sorted({*before, *urls})) if before and urls else ()
    return tuple(sorted(found_lists.items()))


def _is_revoked(authority: x509.Certificate, lists: Sequence[_List], bundle: CaBundle, depth: int = 8) -> bool:
    """It, or all those above it."""
    if any(one.issuer == authority.issuer and authority.serial_number in one.serials for one in lists):
        return True
    above = [one for one in _above(authority, bundle) if one != authority]
    return bool(above) and depth > 0 and all(_is_revoked(one, lists, bundle, depth - 1) for one in above)


def _above(authority: x509.Certificate, bundle: CaBundle) -> list[x509.Certificate]:
    return [one for one in bundle.authorities if pem_files.is_issued_by(authority, one)]


def _read(pem: bytes, file: str) -> list[_List]:
    pem_files.require_whole(pem, _AT, file)
    try:
        lists = [_facts(x509.load_pem_x509_crl(block)) for block in _BLOCK.findall(pem)]
    except Exception as error:  # the parser's errors have no common base: InvalidVersion, TypeError, …
        raise CertificateProblems(
            [Problem(_AT, "it cannot be read", "fetch it again from its authority", file)]
        ) from error
    if not lists:
        fix = "give a PEM file with `-----BEGIN X509 CRL-----` blocks"
        raise CertificateProblems([Problem(_AT, "no revocation list in it", fix, file)])
    return lists


def _facts(crl: x509.CertificateRevocationList) -> _List:
    scope = next((one.value for one in crl.extensions if isinstance(one.value, x509.IssuingDistributionPoint)), None)
    serials: list[int] = []
    unknown = [one.oid.dotted_string for one in crl.extensions if one.critical and not isinstance(one.value, _KNOWN)]
    for entry in crl:
        serials.append(entry.serial_number)
        unknown += [one.oid.dotted_string for one in entry.extensions if one.critical]
    return _List(
        crl=crl,
        issuer=crl.issuer,
        name=crl.issuer.rfc4514_string(),
        serials=tuple(serials),
        begin=crl.last_update_utc.timestamp(),
        end=crl.next_update_utc.timestamp() if crl.next_update_utc else float("inf"),
        scope=scope,
        urls=() if scope is None else tuple(_urls(scope.full_name)),
        unusable=_what_makes_it_unusable(crl, scope, unknown),
    )


def _what_makes_it_unusable(
    crl: x509.CertificateRevocationList, scope: x509.IssuingDistributionPoint | None, unknown: list[str]
) -> str:
    if any(isinstance(one.value, x509.DeltaCRLIndicator) for one in crl.extensions):
        return "it lists changes only (delta)"
    if unknown:
        return f"it has a critical extension that is not known here ({unknown[0]})"
    if scope is not None and _is_partial(scope):
        return "it is indirect, for some reasons only, or for attribute certificates"
    return ""


def _urls(names: Sequence[x509.GeneralName] | None) -> list[str]:
    return [one.value for one in names or () if isinstance(one, x509.UniformResourceIdentifier)]


def _coverage_problems(lists: Sequence[_List], bundle: CaBundle, now: float, file: str) -> list[Problem]:
    """With a list for one authority, the clients of every authority that has none are refused."""
    mine = [one for one in lists if one.is_for_clients]
    return [
        Problem(_AT, f"no list of {pem_files.name(one)}, whose clients would all be refused", "add its list", file)
        for one in bundle.authorities
        if pem_files.is_valid_at(one, now) and not any(_is_signed_by(each, one) for each in mine)
    ]


def _found_wrong(one: _List, bundle: CaBundle, expired: ExpiredPolicy, now: float) -> tuple[str, str]:
    """(what, remedy), or two empty strings."""
    named, signers = _is_named(one, bundle), [each for each in bundle.authorities if _is_signed_by(one, each)]
    usages = [pem_files.extension(each, x509.KeyUsage) for each in signers]
    if named and not signers:
        return "its signature is not that of the authority in the bundle", "fetch it again from its authority"
    if any(usage is not None and not usage.crl_sign for usage in usages):
        return "its authority may not sign lists (key usage)", "issue the authority with cRLSign"
    if one.unusable:
        return one.unusable, "give a complete list without it"
    if one.begin > now:
        return "it is from the future", "set the clock, or fetch it again"
    if signers and expired == "deny" and one.end <= now:
        return "it has expired, and crl_expired is deny", "publish a new list; or crl_expired: ignore, at your risk"
    return "", ""


def _is_superseded(one: _List, lists: Sequence[_List], now: float) -> bool:
    """It has expired, and the next one of its authority is there."""
    return one.end <= now and any(other.issuer == one.issuer and other.end > now for other in lists)


def _is_partial(scope: x509.IssuingDistributionPoint) -> bool:
    named_otherwise = scope.relative_name is not None or (scope.full_name is not None and not _urls(scope.full_name))
    return (
        scope.indirect_crl
        or scope.only_some_reasons is not None
        or scope.only_contains_attribute_certs
        or named_otherwise
    )


def _is_named(one: _List, bundle: CaBundle) -> bool:
    return any(authority.subject == one.issuer for authority in bundle.authorities)


def _is_signed_by(one: _List, authority: x509.Certificate) -> bool:
    try:
        return one.issuer == authority.subject and one.crl.is_signature_valid(authority.public_key())  # type: ignore[arg-type]
    except (TypeError, ValueError, UnsupportedAlgorithm):
        return False


def _to_pem(lists: Sequence[_List]) -> str:
    return "".join(one.crl.public_bytes(serialization.Encoding.PEM).decode("ascii") for one in lists)
