"""Certificates: who signs them, which names they have, how long they live. The checks are those of a live sidecar."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from authz_service import pem_files
from authz_service.config.model import HttpTlsOfFiles, TargetTlsOfAgent
from authz_service.credentials.certificates import Purpose, load_key_pair
from authz_service.errors import CertificateProblems, Problem
from authz_service.identity.certificates import is_match, parse_client_rule
from authz_service.mesh.client_handshake import CannotTell, refusal
from authz_service.mesh.ground import Ground
from authz_service.mesh.lint.rule import Found
from authz_service.mesh.model import Mesh, Sidecar, file_of
from authz_service.mesh.spot import Spot
from authz_service.mesh.target_certificate import has_name, target_bundle, wanted_name
from authz_service.pem_files import name
from authz_service.trust.ca_bundles import load_ca_bundle


def not_here(mesh: Mesh) -> list[str]:
    """The certificate and CA files that handshakes hang on, as the configurations name them, as far as they lack."""
    named: list[tuple[Sidecar, Path | None]] = []
    for sidecar in mesh.sidecars.values():
        tls, egress = sidecar.config.http.tls, sidecar.config.egress
        if sidecar.config.proxy.enabled:
            named += [(sidecar, file_of(tls, key)) for key in ("cert_file", "client_ca_file")]
        for target in egress.targets.values() if egress.enabled else ():
            named += [(sidecar, file_of(target.tls, key)) for key in ("client_cert", "ca_cert")]
    lacking = [file for sidecar, file in named if file is not None and sidecar.find_file(file) is None]
    return sorted({str(file) for file in lacking})


def client_authority(ground: Ground) -> Iterator[Found]:
    for call, sidecar in ground.arrows:
        shown, trust = ground.shown(call), ground.trust(sidecar)
        if shown is None or trust is None or shown.assumed or not shown.chain:
            continue
        try:
            why = refusal(shown.chain, trust, ground.now)
        except CannotTell:
            continue
        if why:
            bundle = ", ".join(name(one) for one in trust.bundle.authorities)
            ours = file_of(sidecar.config.http.tls, "client_ca_file")
            yield Found(
                sidecar.spot("http", "tls", "client_ca_file"),
                f"{sidecar.name} trusts {bundle} ({ours})",
                f"name the authority that signs its clients, or issue the certificate by one of {ours}",
                call.source.spot(*call.target_place, "tls", "client_cert"),
                f"{call.source.name} shows {shown.name}: {why}",
            )


def client_missing(ground: Ground) -> Iterator[Found]:
    for call, sidecar in ground.arrows:
        tls = call.target.tls
        shows = isinstance(tls, TargetTlsOfAgent) or file_of(tls, "client_cert") is not None
        if sidecar.config.http.tls.client_auth == "require" and not shows:
            yield Found(
                call.source.spot(*call.target_place, "tls"),
                f"{call.source.name} shows no client certificate to {call.target_name}",
                "set client_cert and client_key",
                sidecar.spot("http", "tls", "client_auth"),
                f"{sidecar.name} requires one",
            )


def client_name(ground: Ground) -> Iterator[Found]:
    for call, sidecar in ground.arrows:
        peer, mtls = ground.peer(call), sidecar.config.proxy.mtls
        if peer is None or not mtls.enabled:
            continue
        try:
            allowed = [parse_client_rule(text) for text in mtls.allowed_clients]
        except ValueError:
            continue
        if not any(is_match(rule, peer) for rule in allowed):
            shown = ground.shown(call)
            yield Found(
                sidecar.spot("proxy", "mtls", "allowed_clients"),
                f"{sidecar.name} allows {', '.join(mtls.allowed_clients)}",
                "issue the certificate with an allowed name, or allow the name that it has",
                call.source.spot(*call.target_place, "tls", "client_cert"),
                f"{call.source.name} shows {'' if shown is None else shown.name}",
            )


def server_name(ground: Ground) -> Iterator[Found]:
    for call, sidecar in ground.arrows:
        chain, wanted = ground.chain(sidecar), wanted_name(call)
        if chain and wanted and not has_name(chain[0], wanted):
            names = ", ".join(pem_files.alternative_names(chain[0])) or "no subject alternative name"
            yield Found(
                sidecar.spot("http", "tls", "cert_file"),
                f"the certificate of {sidecar.name} ({name(chain[0])}) has {names}",
                f"issue it with {wanted} as a subject alternative name; a CN is no name (RFC 9525)",
                call.source.spot(*call.target_place, "url"),
                f"{call.source.name} calls {wanted}",
            )


def server_without_a_name(ground: Ground) -> Iterator[Found]:
    called = {sidecar.name for _, sidecar in ground.arrows}
    for sidecar in ground.served:
        chain = ground.chain(sidecar)
        if chain and sidecar.name not in called and not pem_files.alternative_names(chain[0]):
            yield Found(
                sidecar.spot("http", "tls", "cert_file"),
                f"the certificate of {sidecar.name} ({name(chain[0])}) has no subject alternative name",
                "issue it with the DNS name that clients call; a CN is no name (RFC 9525)",
            )


def server_authority(ground: Ground) -> Iterator[Found]:
    for call, sidecar in ground.arrows:
        chain = ground.chain(sidecar)
        try:
            bundle = target_bundle(call, ground.now)
        except CertificateProblems:
            continue
        if chain and bundle is not None and not bundle.covers(chain):
            yield Found(
                call.source.spot(*call.target_place, "tls", "ca_cert"),
                f"{call.source.name} trusts {', '.join(name(one) for one in bundle.authorities)}",
                f"name the authority of {sidecar.name}'s certificate in ca_cert",
                sidecar.spot("http", "tls", "cert_file"),
                f"the certificate of {sidecar.name} is signed by {chain[-1].issuer.rfc4514_string()}",
            )


def lifetimes(ground: Ground) -> Iterator[Found]:
    """One finding for each authority: its shortest excess over what it signs."""
    told: set[bytes] = set()
    for sidecar in ground.served:
        for authority in ground.authorities(sidecar):
            leaf = _outliving(ground, authority)
            key = authority.fingerprint(SHA256())
            if leaf is None or key in told:
                continue
            told.add(key)
            yield Found(
                sidecar.spot("http", "tls", "client_ca_file"),
                f"the authority {name(authority)} ends {authority.not_valid_after_utc:%Y-%m-%d}",
                "let authorities live for years and certificates for days, so that certificates can be replaced before "
                "the authority ends",
                None,
                f"{name(leaf)}, which it signed, ends {leaf.not_valid_after_utc:%Y-%m-%d}: with it, or later",
            )


def _outliving(ground: Ground, authority: x509.Certificate) -> x509.Certificate | None:
    """A certificate of this authority that ends less than a tenth of its own life before the authority."""
    shown = [one for call, _ in ground.arrows if (one := ground.shown(call)) is not None and not one.assumed]
    leaves = [one.chain[0] for one in shown if one.chain]
    leaves += [chain[0] for sidecar in ground.served if (chain := ground.chain(sidecar))]
    for leaf in leaves:
        if leaf.issuer != authority.subject:
            continue
        life = leaf.not_valid_after_utc - leaf.not_valid_before_utc
        if leaf.not_valid_after_utc + life / 10 > authority.not_valid_after_utc:
            return leaf
    return None


def unusable(ground: Ground) -> Iterator[Found]:
    """What `authz check` would say of the files that are here."""
    for sidecar in ground.mesh.sidecars.values():
        tls = sidecar.config.http.tls
        if sidecar.config.proxy.enabled and isinstance(tls, HttpTlsOfFiles):
            spot = sidecar.spot("http", "tls", "cert_file")
            yield from _pair(ground, sidecar, spot, (tls.cert_file, tls.key_file), "server")
            yield from _bundle(ground, sidecar, sidecar.spot("http", "tls", "client_ca_file"), tls.client_ca_file)
        for target_name, target in sidecar.config.egress.targets.items() if sidecar.config.egress.enabled else ():
            place = ("egress", "targets", target_name, "tls")
            files = (file_of(target.tls, "client_cert"), file_of(target.tls, "client_key"))
            yield from _pair(ground, sidecar, sidecar.spot(*place, "client_cert"), files, "client")
            yield from _bundle(ground, sidecar, sidecar.spot(*place, "ca_cert"), file_of(target.tls, "ca_cert"))


def _pair(
    ground: Ground, sidecar: Sidecar, spot: Spot, files: tuple[Path | None, Path | None], purpose: Purpose
) -> Iterator[Found]:
    cert, key = sidecar.find_file(files[0]), sidecar.find_file(files[1])
    if cert is None or key is None:
        return
    try:
        load_key_pair(cert, key, purpose, ground.now)
    except CertificateProblems as found:
        yield from _told(ground, spot, found.problems)


def _bundle(ground: Ground, sidecar: Sidecar, spot: Spot, file: Path | None) -> Iterator[Found]:
    found = sidecar.find_file(file)
    if found is None:
        return
    try:
        load_ca_bundle(found, ground.now)
    except CertificateProblems as unfit:
        yield from _told(ground, spot, unfit.problems)


def _told(ground: Ground, spot: Spot, problems: tuple[Problem, ...]) -> Iterator[Found]:
    for problem in problems:
        where = str(ground.mesh.spot_of(Path(problem.file)))
        yield Found(spot, f"{where}: {problem.found}", problem.fix)


def open_keys(ground: Ground) -> Iterator[Found]:
    for sidecar in ground.mesh.sidecars.values():
        config = sidecar.config
        named: list[tuple[tuple[str, ...], Path | None]] = [
            (("http", "tls", "key_file"), file_of(config.http.tls, "key_file") if config.proxy.enabled else None)
        ]
        if config.egress.enabled:
            for target_name, target in config.egress.targets.items():
                file = file_of(target.tls, "client_key")
                named.append((("egress", "targets", target_name, "tls", "client_key"), file))
        for place, file in named:
            found = sidecar.find_file(file)
            if found is not None and found.stat().st_mode & 0o077:
                mode = found.stat().st_mode & 0o777
                yield Found(
                    sidecar.spot(*place),
                    f"{ground.mesh.spot_of(found)} has mode {mode:04o}: others may read the private key",
                    f"chmod 600 {ground.mesh.spot_of(found)}, and 700 for its folder",
                )
