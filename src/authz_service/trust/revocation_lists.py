"""Judges certificate revocation lists (RFC 5280 §5): of a shape that Envoy does not process, it refuses everybody.

Which shapes these are was measured (tests/support/revocation_shapes.py). What Envoy cannot use, the gate can: it knows
each client's certificate, and which authority has a list.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from authz_service import pem_files
from authz_service.errors import CertificateProblems, Problem
from authz_service.trust.ca_bundles import CaBundle
from authz_service.trust.crl import AT, Crl, read_lists

LARGEST_FILE = 8 << 20  # 200,000 entries
# With `ignore` a list goes from Envoy so long before it ends (seconds): after its end Envoy refuses everybody, and the
# next look at it may be half a minute away (file_watch.LONGEST_SILENCE).
_AHEAD = 45.0

ExpiredPolicy = Literal["deny", "ignore"]
Listed = tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class RevocationList:
    """One list for each authority of a bundle. `pem` is None when Envoy must not see them."""

    pem: str | None
    revoked: frozenset[tuple[str, int]]  # (issuer, RFC 4514; serial), for the check on every request
    next_update: float  # seconds since the epoch, the soonest; infinity when no list says it
    near_end: float  # from when on the next list should be there
    warnings: tuple[str, ...]
    # (authority, the distribution points that its lists are for; none: all of its clients). The gate lets in whom these
    # cover, and nobody else. None: everybody, for the lists have expired and that is ignored.
    listed: Listed | None = None
    revoked_authorities: tuple[x509.Certificate, ...] = ()  # of the bundle; or all that are above them are


class RevocationLists:
    """Reads a file of lists, and what it has read before only when it changes."""

    def __init__(self) -> None:
        self._content = b""
        self._lists: list[Crl] = []

    def load(
        self, file: Path, bundle: CaBundle, expired: ExpiredPolicy, now: float, *, gate: bool = True
    ) -> RevocationList:
        """Raises CertificateProblems for lists that would refuse everybody, or that nobody vouches for.

        `gate`: whether certificates are looked at on each request (`proxy.mtls`).
        """
        content = pem_files.read_file(file, AT, largest=LARGEST_FILE)
        if content != self._content or not self._lists:
            self._lists, self._content = read_lists(content, str(file)), content
        return judged_lists(self._lists, bundle, expired, now, str(file), gate=gate)


def judged_lists(
    lists: Sequence[Crl], bundle: CaBundle, expired: ExpiredPolicy, now: float, file: str, *, gate: bool
) -> RevocationList:
    """An expired list: `deny` refuses the file; `ignore` keeps it from Envoy, and what it revoked stays revoked."""
    lists = [one for one in lists if not _is_superseded(one, lists, bundle, now)]
    problems = _coverage_problems(lists, bundle, now, file)
    warnings: list[str] = []
    used = []
    for one in lists:
        found, fix = _found_wrong(one, bundle, expired, now)
        if found:
            problems.append(Problem(AT, f"{one.name}: {found}", fix, file))
        elif _is_named(one, bundle) or one.end > now:
            used.append(one)
        else:
            warnings.append(f"{file}: {one.name} is no authority of the bundle; its list has expired and is not used")
    if problems:
        raise CertificateProblems(problems)
    next_update = min(one.end for one in used)
    revoked = _revoked_authorities(used, bundle)
    listed: Listed | None = None
    for_envoy = False
    is_over = next_update <= (now + _AHEAD if expired == "ignore" else now)
    if is_over:
        warnings.append(f"{file}: expired; certificates revoked since then are accepted (crl_expired: ignore)")
    elif for_envoy := _is_enough_for_envoy(used, bundle, now):
        listed = tuple(sorted({(one.name, ()) for one in used if one.is_for_clients}))
    else:
        _require_gate(used, bundle, file, gate=gate)
        trusted = [one for one in bundle.authorities if pem_files.is_valid_at(one, now) and one not in revoked]
        listed = _listed(used, trusted)
    warnings += [
        f"{file}: the list of {one.name} ends in {pem_files.in_words(one.end - now)}"
        for one in used
        if not is_over and pem_files.near_end(one.begin, one.end) < now < one.end
    ]
    return RevocationList(
        pem=_to_pem(used) if for_envoy else None,
        revoked=frozenset((one.name, serial) for one in used for serial in one.serials),
        next_update=next_update,
        near_end=min(pem_files.near_end(one.begin, one.end) for one in used),
        warnings=tuple(warnings),
        listed=listed,
        revoked_authorities=revoked,
    )


def _is_enough_for_envoy(lists: Sequence[Crl], bundle: CaBundle, now: float) -> bool:
    """Envoy wants a list for every certificate of a client's chain, the root's own included, and of a scope that has it
    in it. The clients of one that has none are all refused, and so is everybody below it.
    """

    def are_enough(authority: x509.Certificate) -> bool:
        above = _above(authority, bundle)
        of_itself = any(one.covers(authority) and any(one.is_signed_by(each) for each in above) for one in lists)
        of_clients = any(
            one.is_for_clients and not one.urls and one.is_signed_by(authority) and _is_told(one, authority, bundle)
            for one in lists
        )
        return of_itself and of_clients

    return all(are_enough(one) for one in bundle.authorities if pem_files.is_valid_at(one, now))


def _is_told(one: Crl, authority: x509.Certificate, bundle: CaBundle) -> bool:
    """Of two authorities of one name with two keys, BoringSSL takes either's list for the other's, unless the lists say
    by which key they are signed.
    """
    key = pem_files.extension(authority, x509.SubjectKeyIdentifier)
    namesakes = [other for other in bundle.authorities if pem_files.are_namesakes(authority, other)]
    return not namesakes or (key is not None and one.key == key.digest)


def _require_gate(lists: Sequence[Crl], bundle: CaBundle, file: str, *, gate: bool) -> None:
    """Raises CertificateProblems where the gate cannot do Envoy's work."""
    fix = "add its certificate to client_ca_file, or remove its list"
    problems = [
        Problem(AT, f"{one.name} is no authority of the bundle, and the gate knows no other", fix, file)
        for one in lists
        if not _is_named(one, bundle)
    ]
    if not gate:
        found = (
            "Envoy would refuse all: they have an issuing distribution point, there is an authority above those of the "
        )
        found += "bundle, or two of one name and lists without authority key identifier"
        fix = "set proxy.mtls.allowed_clients: then the gate looks at them; or publish other lists"
        problems.append(Problem(AT, found, fix, file))
    if problems:
        raise CertificateProblems(problems)


def _listed(lists: Sequence[Crl], trusted: Sequence[x509.Certificate]) -> Listed:
    found: dict[str, tuple[str, ...]] = {}
    for authority in trusted:
        own = [one for one in lists if one.is_for_clients and one.is_signed_by(authority)]
        urls = () if any(not one.urls for one in own) else tuple(sorted({url for one in own for url in one.urls}))
        before = found.get(own[0].name, urls)  # another one of the same name, when a CA changes its key
        found[own[0].name] = tuple(sorted({*before, *urls})) if before and urls else ()
    return tuple(sorted(found.items()))


def _revoked_authorities(lists: Sequence[Crl], bundle: CaBundle) -> tuple[x509.Certificate, ...]:
    """Of the bundle: those that are listed, and those of which all that are above are."""
    revoked = {
        authority
        for authority in bundle.authorities
        if any(one.issuer == authority.issuer and authority.serial_number in one.serials for one in lists)
    }
    above = {
        authority: _above(authority, bundle)
        for authority in bundle.authorities
        if authority.subject != authority.issuer
    }
    while below := {one for one, those in above.items() if those and revoked.issuperset(those)} - revoked:
        revoked |= below
    return tuple(authority for authority in bundle.authorities if authority in revoked)


def _above(authority: x509.Certificate, bundle: CaBundle) -> list[x509.Certificate]:
    return [one for one in bundle.authorities if pem_files.is_issued_by(authority, one)]


def _coverage_problems(lists: Sequence[Crl], bundle: CaBundle, now: float, file: str) -> list[Problem]:
    """With a list for one authority, the clients of every authority that has none are refused."""
    mine = [one for one in lists if one.is_for_clients]
    return [
        Problem(AT, f"no list of {pem_files.name(one)}, whose clients would all be refused", "add its list", file)
        for one in bundle.authorities
        if pem_files.is_valid_at(one, now) and not any(each.is_signed_by(one) for each in mine)
    ]


def _found_wrong(one: Crl, bundle: CaBundle, expired: ExpiredPolicy, now: float) -> tuple[str, str]:
    """(what, remedy), or two empty strings."""
    named, signers = _is_named(one, bundle), [each for each in bundle.authorities if one.is_signed_by(each)]
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


def _is_superseded(one: Crl, lists: Sequence[Crl], bundle: CaBundle, now: float) -> bool:
    """It has expired, and there is one of its authority that has not; or there is a later one for the same."""

    def is_later(other: Crl) -> bool:
        same_key = all(one.is_signed_by(each) == other.is_signed_by(each) for each in bundle.authorities)
        return other.begin > one.begin and other.scope == one.scope and same_key

    living = [other for other in lists if other.issuer == one.issuer and other.begin <= now < other.end]
    return any(other is not one and (one.end <= now or is_later(other)) for other in living)


def _is_named(one: Crl, bundle: CaBundle) -> bool:
    return any(one.is_named_after(authority) for authority in bundle.authorities)


def _to_pem(lists: Sequence[Crl]) -> str:
    return "".join(one.crl.public_bytes(serialization.Encoding.PEM).decode("ascii") for one in lists)
