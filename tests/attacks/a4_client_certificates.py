"""A4: hostile client certificates in real handshakes, with and without spoofed headers. Nobody is taken for another.

Two tables: what TLS must refuse (chains, times, purposes, revocation), and what a careless CA signed, which the gate
must refuse. The door asks for a certificate and lets the policy decide about who has none: spoofed headers have a use.
"""

from __future__ import annotations

import itertools
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from tests.support.certificates import private_pem
from tests.support.chain_attacks import Chains
from tests.support.live import Live
from tests.support.lone_sidecar import GATEWAY, REMOVED, LoneSidecar
from tests.support.neighbours import Headers
from tests.support.peer_attacks import (
    ALLOWED,
    attacks_on_peer_form,
    attacks_on_peer_names,
    attacks_on_peer_purpose,
    attacks_on_peer_uris,
)
from tests.support.tokens import ec_key
from tests.torture.row import Outcome, Progress, Row

from authz_devkit.certs.tree import ca_bundle, leaf_cert, load_authority
from authz_service import headers
from authz_service.domain.refusals import Reason

_POLICY = """
package lone

import rego.v1

default allow := false

allow if input.mtls.verified == true

result := {"allow": allow}
"""
_TLS_REFUSED = "tls_refused"


class _Case(NamedTuple):
    name: str
    expected: frozenset[str]  # reasons; "" = served as the gateway
    pem: bytes  # certificate, chain and key; b"" = none is shown


def _cases(live: Live, now: float) -> tuple[Chains, list[_Case]]:
    chains = Chains(now)
    foreign = load_authority(live.mesh.certs, "zone3")
    assert isinstance(foreign.key, ec.EllipticCurvePrivateKey)
    refused = frozenset({_TLS_REFUSED, Reason.CLIENT_CERT_INVALID, Reason.CLIENT_CERT_EXPIRED})
    found = [_Case("none", frozenset({Reason.POLICY_DENIED}), b"")]
    found += [_Case(f"good: {one.name}", frozenset({""}), one.pem + one.key_pem) for one in chains.good()]
    found += [_Case(one.name, refused, one.pem + one.key_pem) for one in chains.bad(foreign.certificate, foreign.key)]
    return chains, found + list(_signed_carelessly(now))


def _signed_carelessly(now: float) -> Iterator[_Case]:
    """The unit tests' tables, as far as a client can show them: one certificate, of the key that we have."""
    key = ec_key("client")
    tables = (attacks_on_peer_form, attacks_on_peer_purpose, attacks_on_peer_names, attacks_on_peer_uris)
    for attack in itertools.chain.from_iterable(table(now) for table in tables):
        pem = unquote_to_bytes(attack.pem)
        if attack.name in {"expired", "future"} or not _can_be_shown(pem, key):
            continue
        # Envoy may find what is wrong before the gate does.
        yield _Case(attack.name, frozenset({attack.reason, _TLS_REFUSED}), pem + private_pem(key))


def _can_be_shown(pem: bytes, key: ec.EllipticCurvePrivateKey) -> bool:
    try:
        loaded = x509.load_pem_x509_certificates(pem)
        whole = len(loaded) == 1 and loaded[0].public_bytes(Encoding.PEM) == pem  # a client sends no text around it
        return whole and loaded[0].public_key() == key.public_key()
    except (ValueError, x509.InvalidVersion, UnsupportedAlgorithm):
        return False


async def run(live: Live, size: int, progress: Progress) -> Outcome:
    """`size` is certificates times two; a sample takes every so-manieth, and none, and the good ones."""
    chains, cases = _cases(live, time.time())
    chosen = [case for n, case in enumerate(cases) if n < 5 or n % max(1, 2 * len(cases) // size) == 0]
    failures: list[str] = []
    unshown = 0
    token = live.user("john")
    changes = _door(live, chains)
    # Where there are revocation lists, each CA of a chain needs its own (RFC 5280 §6.3): chains go to the plain door.
    with (
        LoneSidecar(live, {**changes, "http.tls.crl_file": REMOVED}, policy=_POLICY) as door,
        LoneSidecar(live, changes, policy=_POLICY) as door_with_crl,
    ):
        spoofed = _spoofed(door)
        for number, (case, said) in enumerate(itertools.product(chosen, ((), spoofed))):
            outcome = _outcome(door_with_crl if "revoked" in case.name else door, case, token, said)
            unshown += outcome == "not shown"
            if outcome not in {*case.expected, "not shown"}:
                with_headers = "with" if said else "without"
                failures.append(f"{case.name}, {with_headers} spoofed headers: {outcome or 'served'}")
            progress(number + 1)
        served = [one["mtls_client"] for one in [*door.audit, *door_with_crl.audit] if one["decision"] == "allow"]
        arrived = [*door.echo.seen, *door_with_crl.echo.seen]
        good = 2 * sum("" in case.expected for case in chosen)
        if served != ["api-gateway-client"] * good or len(arrived) != good:
            failures.append(f"{len(arrived)} requests at the service, {good} good ones sent, as {set(served)}")
        failures += ["the service sees root" for seen in arrived if "root" in seen.values("x-user-id")]
    figures: dict[str, str | int | float] = {"good ones served": good, "that OpenSSL cannot show": unshown}
    return Outcome(2 * len(chosen) - unshown, failures, figures=figures)


def _door(live: Live, chains: Chains) -> dict[str, object]:
    """Trusts zone 2's CA, which is its own server certificate's, and ours; knows what both revoked."""
    folder = Path(live.mesh.folder) / "a4"
    folder.mkdir(exist_ok=True)
    bundle, crl = folder / "ca.crt", folder / "ca.crl"
    bundle.write_bytes(ca_bundle(live.mesh.certs, "zone2").read_bytes() + chains.root.public_bytes(Encoding.PEM))
    zone2 = load_authority(live.mesh.certs, "zone2").revocation_list([], number=1, now=datetime.now(UTC))
    crl.write_bytes(zone2.public_bytes(Encoding.PEM) + chains.crl)
    return {
        "http.tls.client_ca_file": str(bundle),
        "http.tls.crl_file": str(crl),
        "http.tls.client_auth": "request",
        "proxy.mtls.allow_anonymous": "true",
        "proxy.mtls.allowed_clients": list(ALLOWED),
    }


def _spoofed(door: LoneSidecar) -> Headers:
    certificate = leaf_cert(door.certs, GATEWAY).read_text()
    encoded = quote(certificate, safe="")
    return [
        (headers.PEER_CERT, encoded),
        (headers.PEER_CERT.title(), encoded),
        (headers.REMOTE, "127.0.0.1"),
        ("x-forwarded-client-cert", f'Subject="CN=api-gateway-client,O=MyOrg";Cert="{encoded}"'),
        ("x-ssl-client-cert", encoded),
        ("x-user-id", "root"),
    ]


def _outcome(door: LoneSidecar, case: _Case, token: str, said: Headers) -> str:
    """The reason; "" when served."""
    shown = None
    if case.pem:
        file = door.folder / "shown.pem"
        file.write_bytes(case.pem)
        shown = (file, file)
        try:
            door.tls(shown)
        except ssl.SSLError:
            return "not shown"
    try:
        answer = door.call("GET", "/orders/1", token=token, certificate=shown, headers=said)
    except (ssl.SSLError, ConnectionError):
        return _TLS_REFUSED
    return "" if answer.status == 200 else str(answer.problem["reason"])


ROW = Row(
    id="A4",
    title="client certificates, with and without spoofed headers",
    promise="0 wrong identities",
    full=200,
    sample=60,
    budget=40,
    run=run,
)
