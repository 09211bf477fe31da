"""The certificates, CA bundles and revocation lists that Envoy serves by: read, judged, and handed over as secrets.

What is broken never replaces what is good; it is remembered as a problem until it is mended. Not the watching of files.
"""

from __future__ import annotations

import json
import logging
import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from msgspec.structs import replace

from authz_service import pem_files
from authz_service.config.model import Config, HttpTlsOfFiles, Target, TargetTlsOfFiles
from authz_service.control_plane.part import Gauge, Part
from authz_service.credentials.certificates import KeyPair, load_key_pair
from authz_service.domain.rules import GateRules
from authz_service.envoy import secrets
from authz_service.errors import CertificateProblems
from authz_service.logs import about
from authz_service.trust.ca_bundles import CaBundle, load_ca_bundle, require_own_authority_kept
from authz_service.trust.revocation_lists import ExpiredPolicy, RevocationList, RevocationLists

log = logging.getLogger(__name__)

_Crl = tuple[Path, ExpiredPolicy, bool]  # the file, what an expired list means, whether the gate looks at certificates

EXPIRES = "authz_certificate_expiry_timestamp_seconds", "When a served certificate or CA ends.", "name"
NEAR_END = (
    "authz_certificate_renewal_timestamp_seconds",
    "From when on a served certificate or CA should have been renewed.",
    "name",
)
REVOCATION_LIST = "client_ca_crl"  # its name in the metrics and in /readyz


@dataclass(slots=True)
class ServedCertificates(Part):
    """By secret name: the text that Envoy reads, when it expires, and what is wrong with the files of now.

    Whom Envoy lets in (its client CAs and their lists) is held back when it changes: `release` hands it over, once the
    workers know of it.
    """

    publish: Callable[[str, str], None]  # (secret name, file text)
    now: Callable[[], float]
    reloads: Counter[tuple[str, str]] = field(default_factory=Counter)  # (what, "ok" | "refused"), as Counters.reloads
    expires: dict[str, float] = field(default_factory=dict)
    near_ends: dict[str, float] = field(default_factory=dict)  # from when on it should have been renewed
    problems: dict[str, CertificateProblems] = field(default_factory=dict)
    warnings: dict[str, tuple[str, ...]] = field(default_factory=dict)
    renewed: set[str] = field(default_factory=set)  # changed since the last look at this set, which is whose it is
    _texts: dict[str, str] = field(default_factory=dict)
    _bundles: dict[str, CaBundle] = field(default_factory=dict)
    _once_trusted: set[x509.Certificate] = field(default_factory=set)  # client CAs since the start
    _lists: RevocationList | None = None
    _list_file: RevocationLists = field(default_factory=RevocationLists)
    _held: str = ""  # the client CAs that Envoy is not known to have
    _released: bool = False  # ... since Envoy may have others than those of `_texts`
    _late: bool = False

    def refresh(self, config: Config) -> list[str]:
        """Read every file anew and publish what changed; returns the names.

        What cannot be used keeps its last good form.
        """
        changed: list[str] = []
        tls = config.http.tls
        if config.proxy.enabled and isinstance(tls, HttpTlsOfFiles):
            own = self._pair(secrets.SERVER_CERTIFICATE, tls.cert_file, tls.key_file, "server", changed)
            if tls.client_authorities is not None:
                crl = (tls.crl_file, tls.crl_expired, config.proxy.mtls.enabled) if tls.crl_file else None
                self._bundle(secrets.CLIENT_CA, tls.client_authorities, own, crl, changed)
            else:
                self._held = ""
        if config.egress.enabled:
            for name, target in config.egress.targets.items():
                self._target(name, target, changed)
        return changed

    @property
    def is_held(self) -> bool:
        """Envoy is not known to have the client CAs that `with_trust` goes by."""
        return bool(self._held)

    def release(self) -> str:
        """Hand them over; their version. Raises OSError."""
        self.publish(secrets.CLIENT_CA, self._held)
        self._released = True
        return str(json.loads(self._held)["version_info"])

    def taken_over(self, *, is_there: bool) -> None:
        """Whether Envoy has shown the version that was handed over."""
        self._late = not is_there
        if is_there:
            self._texts[secrets.CLIENT_CA], self._held, self._released = self._held, "", False

    def degraded(self) -> Iterator[str]:
        if self._late:
            yield "envoy has not taken over the changed client CAs yet: whom the last ones refused is refused, too"
        for name, problems in self.problems.items():
            yield f"certificate {name}: {problems}"
        for warnings in self.warnings.values():
            yield from warnings
        now = self.now()
        for name, end in self.expires.items():
            if end <= now:
                yield f"certificate {name} has expired"

    def gauges(self) -> Iterator[Gauge]:
        yield Gauge(*EXPIRES, self.expires)
        yield Gauge(*NEAR_END, self.near_ends)

    def with_trust(self, rules: GateRules) -> GateRules:
        """The rules, with what has been revoked or withdrawn: the gate refuses it on connections that are open
        already.
        """
        if rules.peers is None or rules.callers_elsewhere:
            return rules
        # A renewed certificate of the same authority, by the same key, withdraws nothing.
        trusted = {_who(authority) for authority in self._trusted()}
        gone = [authority for authority in self._once_trusted if _who(authority) not in trusted]
        withdrawn = tuple(sorted(pem_files.to_pem([authority]) for authority in gone))
        peers = replace(rules.peers, withdrawn=withdrawn)
        return with_lists(replace(rules, peers=peers), self._lists)

    def require_complete(self) -> None:
        """At start nothing stands in for a file that cannot be used. Raises CertificateProblems with all of them."""
        if self.problems:
            raise CertificateProblems([problem for each in self.problems.values() for problem in each.problems])

    def _trusted(self) -> list[x509.Certificate]:
        """The client CAs that are not revoked, and those that have left the bundle while their issuer is in it: a new
        handshake takes them all, if the client sends the chain.
        """
        present, lists = self._bundles.get(secrets.CLIENT_CA), self._lists
        revoked = set(lists.revoked_authorities) if lists is not None else set()
        serials = lists.revoked if lists is not None else frozenset()
        trusted = [one for one in present.authorities if one not in revoked] if present is not None else []
        left = self._once_trusted.difference(trusted, revoked)
        left = {one for one in left if (one.issuer.rfc4514_string(), one.serial_number) not in serials}
        while found := [one for one in left if any(pem_files.is_issued_by(one, above) for above in trusted)]:
            trusted += found
            left.difference_update(found)
        return trusted

    def _tell_who_stays(self, before: CaBundle, after: CaBundle) -> None:
        """Whoever takes an issuing CA out of the bundle may believe that he has ended its clients."""
        present, trusted = {_who(one) for one in after.authorities}, {_who(one) for one in self._trusted()}
        for one in before.authorities:
            if _who(one) in trusted - present:
                fix = "its issuer is in the bundle; revoke it, to end its clients"
                log.warning("authority_still_trusted", extra=about(name=pem_files.name(one), reason=fix))

    def _target(self, name: str, target: Target, changed: list[str]) -> None:
        tls = target.tls
        if not isinstance(tls, TargetTlsOfFiles):
            return
        pair, own = tls.client_pair, None
        if pair is not None:
            own = self._pair(secrets.target_certificate(name), *pair, "client", changed)
        self._bundle(secrets.target_ca(name), tls.ca_cert, own, None, changed)

    def _pair(self, name: str, cert: Path, key: Path, purpose: str, changed: list[str]) -> KeyPair | None:
        try:
            pair = load_key_pair(cert, key, "server" if purpose == "server" else "client", self.now())
        except CertificateProblems as problems:
            self._refuse(name, problems)
            return None
        text = secrets.tls_certificate_secret(name, pair.chain_pem, pair.key_pem.reveal())
        self._accept(name, text, pair, pair.warnings, changed)
        return pair

    def _bundle(self, name: str, file: Path, own: KeyPair | None, crl: _Crl | None, changed: list[str]) -> None:
        try:
            bundle = load_ca_bundle(file, self.now())
            before = self._bundles.get(name)
            if before is not None and own is not None:
                require_own_authority_kept(before, bundle, own)
            lists = None
            if crl is not None:
                crl_file, expired, gate = crl
                lists = self._list_file.load(crl_file, bundle, expired, self.now(), gate=gate)
        except CertificateProblems as problems:
            self._refuse(name, problems)
            return
        self._bundles[name] = bundle
        if name == secrets.CLIENT_CA:
            self._once_trusted.update(bundle.authorities)
            self._lists = lists
            if before is not None:
                self._tell_who_stays(before, bundle)
        text = secrets.validation_context_secret(name, bundle.pem, None if lists is None else lists.pem)
        warnings = bundle.warnings if lists is None else (*bundle.warnings, *lists.warnings)
        self._accept(name, text, bundle, warnings, changed)
        if lists is not None:
            self.expires[REVOCATION_LIST], self.near_ends[REVOCATION_LIST] = lists.next_update, lists.near_end

    def _accept(
        self, name: str, text: str, read: KeyPair | CaBundle, warnings: tuple[str, ...], changed: list[str]
    ) -> None:
        self.expires[name], self.near_ends[name] = read.not_after, read.near_end
        self.problems.pop(name, None)
        if warnings and self.warnings.get(name) != warnings:
            log.warning("certificate_warning", extra=about(name=name, warnings=warnings))
        self.warnings[name] = warnings
        if name == secrets.CLIENT_CA and name in self._texts:
            self._held = text if self._released or self._texts[name] != text else ""
        elif self._texts.get(name) != text:
            self.publish(name, text)
            self._texts[name] = text  # only now: what could not be written is tried again
            changed.append(name)
            self.renewed.add(name)

    def _refuse(self, name: str, problems: CertificateProblems) -> None:
        text = str(problems)
        if str(self.problems.get(name)) != text:
            self.reloads["certificates", "refused"] += 1
            log.error(
                "certificate_refused",
                extra=about(name=name, problems=text.splitlines(), last_good=name in self._texts),
            )
        self.problems[name] = problems
        self.warnings.pop(name, None)  # they are of then


def with_lists(rules: GateRules, lists: RevocationList | None) -> GateRules:
    """The rules, with what the lists say of clients."""
    if rules.peers is None or lists is None:
        return rules
    revoked = tuple(sorted((issuer, f"{serial:x}") for issuer, serial in lists.revoked))
    until = None if lists.listed is None or math.isinf(lists.next_update) else lists.next_update
    return replace(rules, peers=replace(rules.peers, revoked=revoked, listed=lists.listed, listed_until=until))


def _who(authority: x509.Certificate) -> tuple[bytes, bytes]:
    """An authority is its name and its key, however often its certificate is renewed."""
    key = authority.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return authority.subject.public_bytes(), key
