"""F2: a zone's CA is replaced with an overlap, clients are revoked, and certificates end, all under load.

What is no longer trusted must be refused within two seconds on new connections, on open ones, and on ones that would
resume a TLS session from before.
"""

from __future__ import annotations

import http.client
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.faults.ground import Traffic, Waits, first, long_token, waited
from tests.support.live import Live
from tests.support.lone_sidecar import GATEWAY, LoneSidecar, ask_again
from tests.torture.row import Outcome, Progress, Row

from authz_devkit.certs.authority import KeyPair, client_request
from authz_devkit.certs.revocation import refresh_crl, revoke
from authz_devkit.certs.rotation import finish_ca_overlap, rotate_leaf, start_ca_overlap
from authz_devkit.certs.tree import ca_crl, leaf_cert, leaf_key, load_authority, load_leaf
from authz_service.domain.refusals import Reason

_SERVER = "order-service/server"
_LEAVES = (_SERVER, "payment-service/server", GATEWAY)
_LIVES = 4.0  # seconds that a short certificate lives at least
_REFUSED = (403, Reason.CLIENT_CERT_REVOKED)


async def run(live: Live, size: int, progress: Progress) -> Outcome:
    """A quarter each: rollovers of the CA, removals of the old one (their last step), revocations, ends."""
    rounds = size // 4
    ground = Ground(live)
    with LoneSidecar(live, own_certs=True, prepare=_with_crl) as sidecar:
        ground.sidecar = sidecar
        with Traffic(sidecar, ground.token, new_connections=True) as traffic:
            for number in range(rounds):
                ground.roll_over(traffic)
                progress(number * 2 + 2)
            for number in range(rounds):
                ground.revoke(traffic)
                progress(rounds * 2 + number + 1)
            ground.expire(rounds)
            progress(rounds * 4)
        failures = [*ground.failures, *ground.refused.never, *first(traffic.good.failures), *traffic.wrong_allows()]
        if traffic.good.refused:
            failures.append(f"{traffic.good.refused} good connections were refused")
        if not traffic.bad_were_tried():
            failures.append("nothing that must be refused was tried")
    return Outcome(
        rounds * 4,
        failures,
        ground.refused.deviations("what is no longer trusted was refused"),
        {"good requests": traffic.good.answered, "refused after": ground.refused.figure},
    )


@dataclass
class Old:
    """A client of before: its files, a connection that stays open, and a session that it would resume."""

    files: tuple[Path, Path]
    connection: http.client.HTTPConnection
    tls: ssl.SSLContext
    session: ssl.SSLSession | None


class Ground:
    """One sidecar with a revocation list, and what is done to it."""

    sidecar: LoneSidecar

    def __init__(self, live: Live) -> None:
        self.token = long_token(live)
        self.failures: list[str] = []
        self.refused = Waits(promised=2.0)
        self._number = 0

    def roll_over(self, traffic: Traffic) -> None:
        """Overlap, new leaves, finish; the old leaf works until the finish, and not after it."""
        certs = self.sidecar.certs
        old = self._remember(load_leaf(certs, GATEWAY))
        start_ca_overlap(certs, "zone2", now=_now())
        traffic.good.replace(tls=self.sidecar.tls())  # callers trust both first
        for name in _LEAVES:
            rotate_leaf(certs, name, now=_now())
        new = f"{load_leaf(certs, _SERVER).certificate.serial_number:x}"
        if waited(lambda: self.sidecar.served_serial() == new and self._status(GATEWAY) == 200) is None:
            self.failures.append("the overlap was not taken over")
        traffic.good.replace(tls=self.sidecar.tls())
        if self._status(old.files) != 200 or ask_again(old.connection, self.token)[0] != 200:
            self.failures.append("a certificate of the old CA was refused during the overlap")
        time.sleep(0.2)  # for requests under way with the old certificate
        self._must_be_refused("CA removed", old, lambda: finish_ca_overlap(certs, "zone2", now=_now()))

    def revoke(self, traffic: Traffic) -> None:
        """Another certificate of the same name goes on."""
        certs = self.sidecar.certs
        old = self._remember(load_leaf(certs, GATEWAY))
        other = load_authority(certs, "zone2").issue(client_request("api-gateway", "zone1", now=_now()))
        traffic.good.replace(tls=self.sidecar.tls(self._store(other)))
        time.sleep(0.2)
        self._must_be_refused("revoked", old, lambda: revoke(certs, GATEWAY, now=_now()))
        rotate_leaf(certs, GATEWAY, now=_now())
        if self._status(GATEWAY) != 200:
            self.failures.append("a new certificate of the same name was refused")
        traffic.good.replace(tls=self.sidecar.tls())

    def expire(self, count: int) -> None:
        """All at the same time: each answers 200 until its certificate ends, and never after."""
        authority = load_authority(self.sidecar.certs, "zone2")
        ends: dict[int, datetime] = {}
        olds: dict[int, Old] = {}
        for number in range(count):
            lives = timedelta(seconds=_LIVES + count * 0.2 + 0.1 * number)  # it takes time to make them all
            pair = authority.issue(client_request("api-gateway", "zone1", now=_now(), lifetime=lives))
            olds[number], ends[number] = self._remember(pair), pair.certificate.not_valid_after_utc
        for number, old in olds.items():
            if _now() < ends[number] and ask_again(old.connection, self.token)[0] != 200 and _now() < ends[number]:
                self.failures.append("a certificate was refused before its end")
        for number, old in olds.items():
            while (left := (ends[number] - _now()).total_seconds()) > -1:  # X.509 counts whole seconds
                time.sleep(max(0.01, left + 1))
            answer = ask_again(old.connection, self.token)
            if answer != (403, Reason.CLIENT_CERT_EXPIRED):
                self.failures.append(f"a certificate that has ended got {answer} on an open connection")
            if self._status(old.files) not in {0, 403} or self._resumes(old):
                self.failures.append("a certificate that has ended was accepted on a new connection")
            old.connection.close()

    def _must_be_refused(self, what: str, old: Old, change: Callable[[], object]) -> None:
        begun = time.monotonic()
        change()
        self.refused.add(f"{what}: open", lambda: ask_again(old.connection, self.token) == _REFUSED, since=begun)
        self.refused.add(f"{what}: new", lambda: self._status(old.files) in {0, 403}, since=begun)
        if self._resumes(old):
            self.failures.append(f"{what}: a TLS session was resumed and served")
        old.connection.close()

    def _remember(self, pair: KeyPair) -> Old:
        """TLS 1.2, where the session is known at once; in 1.3 Envoy gives none either."""
        files = self._store(pair)
        tls = self.sidecar.tls(files)
        tls.maximum_version = ssl.TLSVersion.TLSv1_2
        connection = self.sidecar.connection(tls)
        if ask_again(connection, self.token)[0] != 200:
            self.failures.append("a good client was refused")
        assert isinstance(connection.sock, ssl.SSLSocket)
        return Old(files, connection, tls, connection.sock.session)

    def _resumes(self, old: Old) -> bool:
        try:
            again = self.sidecar.connection(old.tls, old.session)
        except OSError:
            return False
        with again.sock:
            assert isinstance(again.sock, ssl.SSLSocket)
            return again.sock.session_reused is True and ask_again(again, self.token)[0] == 200

    def _status(self, certificate: str | tuple[Path, Path]) -> int:
        """Of a request on a new connection; 0 when there was no connection."""
        try:
            return self.sidecar.call("GET", "/orders/1", token=self.token, certificate=certificate).status
        except OSError:
            return 0

    def _store(self, pair: KeyPair) -> tuple[Path, Path]:
        """As files outside the tree."""
        self._number += 1
        name = f"client-{self._number}"
        cert, key = leaf_cert(self.sidecar.folder, name), leaf_key(self.sidecar.folder, name)
        cert.write_bytes(pair.cert_pem)
        key.write_bytes(pair.key_pem)
        return cert, key


def _with_crl(sidecar: LoneSidecar) -> None:
    refresh_crl(sidecar.certs, "zone2", now=_now())
    sidecar.write_config({"http.tls.crl_file": str(ca_crl(sidecar.certs, "zone2"))})


def _now() -> datetime:
    return datetime.now(UTC)


ROW = Row(
    id="F2",
    title="trust changes: CA, revocation, expiry",
    promise="0 failed with an overlap; nothing old accepted afterwards, on open and resumed connections too",
    full=80,
    sample=4,
    budget=60,
    run=run,
)
