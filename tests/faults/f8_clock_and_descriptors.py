"""F8: the sidecar's clock is an hour ahead or behind, or it may open 256 files: refusals, and then all is well again.

The clock is that of the Python processes (tests/support/shifted_clock.py): control plane and decision workers, which
judge tokens, certificates on every request, and files. Envoy's clock is the machine's, which nobody here may set; what
Envoy alone decides by time is the handshake, and there the certificates are made for another hour instead (A4).
"""

from __future__ import annotations

import http.client
import shutil
import signal
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.faults.broken_idp import BrokenIdp, Case, configuration
from tests.faults.ground import waited
from tests.support.live import Live
from tests.support.lone_sidecar import GATEWAY, LoneSidecar, ask_again
from tests.support.shifted_clock import ShiftedClock
from tests.support.target_service import target_service
from tests.torture.row import Outcome, Progress, Row

from authz_devkit.certs.authority import CRL_LIFETIME, KeyPair, client_request
from authz_devkit.certs.revocation import refresh_crl
from authz_devkit.certs.rotation import rotate_leaf
from authz_devkit.certs.tree import ca_crl, leaf_cert, leaf_key, load_authority
from authz_service.domain.refusals import Reason

_HOUR = 3600.0
_TOKEN_LIFETIME = 4  # seconds, of the egress token
_OK = (200, "")


async def run(live: Live, size: int, progress: Progress) -> Outcome:
    failures: list[str] = []
    tried = 0
    with ExitStack() as stack:
        ground = Clockwork(live, stack)
        cases: list[Callable[[], list[str]]] = [
            ground.ahead_ends_a_revocation_list,
            ground.ahead_ends_tokens,
            ground.ahead_ends_client_certificates,
            ground.ahead_leaves_egress_tokens,
            ground.behind_refuses_everybody,
            ground.behind_takes_no_certificate_of_the_future,
            lambda: few_descriptors(live, "envoy"),
            lambda: few_descriptors(live, "control plane"),
        ]
        for case in cases[:size]:
            failures += case()
            tried += 1
            progress(tried)
    return Outcome(
        tried,
        failures,
        ["Envoy's own clock is not shifted: its handshakes are tried with certificates of another hour"],
    )


class Clockwork:
    """One sidecar, its clock, its identity provider and its target; every case sets the clock, and leaves all well."""

    def __init__(self, live: Live, stack: ExitStack) -> None:
        self._clock = ShiftedClock()
        address = live.free_address()
        self._idp = stack.enter_context(BrokenIdp(live, Case("good"), 0, address, _TOKEN_LIFETIME))
        self._target = stack.enter_context(target_service(live))

        def prepare(sidecar: LoneSidecar) -> None:
            self._clock.prepare(sidecar)
            # A list that ends within the hour.
            refresh_crl(sidecar.certs, "zone2", now=_now() - CRL_LIFETIME + timedelta(minutes=30))
            sidecar.write_config({"http.tls.crl_file": str(ca_crl(sidecar.certs, "zone2"))})
            sidecar.write_config(configuration(sidecar.config, [self._idp], address, live))

        self._sidecar = stack.enter_context(
            LoneSidecar(live, target=self._target.place, own_certs=True, prepare=prepare)
        )
        self._short, self._long = self._idp.user_token(lifetime=300), self._idp.user_token(lifetime=7200)

    def ahead_ends_tokens(self) -> list[str]:
        """Those of five minutes, on open and on new connections; those of two hours go on."""
        open_connection = self._sidecar.connection(self._sidecar.tls())
        ended = (401, Reason.TOKEN_EXPIRED)
        steps = [
            (0.0, self._short, _OK),
            (_HOUR, self._short, ended),
            (_HOUR, self._long, _OK),
            (0.0, self._short, _OK),
        ]
        found = []
        for shift, token, wanted in steps:
            self._clock.set(shift)
            for name, answer in (("open", self._ask(open_connection, token)), ("new", self._ask_anew(token))):
                if answer != wanted:
                    found.append(f"{shift:+.0f} s, {name} connection: {answer}, not {wanted}")
        open_connection.close()
        return found

    def ahead_ends_client_certificates(self) -> list[str]:
        """On a connection that is open: in a handshake Envoy's own clock counts."""
        half_an_hour = timedelta(minutes=30)
        request = client_request("api-gateway", "zone1", now=_now(), lifetime=half_an_hour)
        files = self._stored(load_authority(self._sidecar.certs, "zone2").issue(request))
        short = self._sidecar.connection(self._sidecar.tls(files))
        lasting = self._sidecar.connection(self._sidecar.tls())
        found = []
        for shift, wanted in ((0.0, _OK), (_HOUR, (403, Reason.CLIENT_CERT_EXPIRED)), (0.0, _OK)):
            self._clock.set(shift)
            answers = self._ask(short, self._long), self._ask(lasting, self._long)
            if answers != (wanted, _OK):
                found.append(f"{shift:+.0f} s, a certificate of 30 minutes and one of days: {answers}")
        short.close()
        lasting.close()
        return found

    def ahead_ends_a_revocation_list(self) -> list[str]:
        """It is told, and nobody is let in by it, as Envoy lets in nobody by such a list (`crl_expired: deny`)."""
        found = []
        for shift, wanted in ((_HOUR, (403, Reason.CLIENT_CERT_REVOKED)), (0.0, _OK)):
            self._clock.set(shift)
            self._look_again()
            if waited(lambda shift=shift: ("client_ca" in self._degraded()) == bool(shift)) is None:  # type: ignore[misc]
                found.append(f"{shift:+.0f} s: a list that ends within the hour: {self._degraded()}")
            if (answer := self._ask_anew(self._long)) != wanted:
                found.append(f"{shift:+.0f} s: {answer}, not {wanted}")
        refresh_crl(self._sidecar.certs, "zone2", now=_now())
        self._look_again()
        self._clock.set(_HOUR)
        if waited(lambda: self._ask_anew(self._long) == _OK) is None:
            found.append("a good client was refused, and the new list holds for days")
        return found

    def ahead_leaves_egress_tokens(self) -> list[str]:
        """Their time is counted by a clock that nobody sets: none is dropped, none is kept, renewal goes on."""
        found = []
        for shift in (_HOUR, -_HOUR, 0.0):
            self._clock.set(shift)
            begun, issued = len(self._target.seen), len(self._idp.issued)
            renewed = waited(lambda issued=issued: self._outgoing() == 200 and len(self._idp.issued) >= issued + 2)  # type: ignore[misc]
            statuses = {self._outgoing() for _ in range(5)}
            if renewed is None or statuses != {200} or len(self._target.seen) < begun + 5:
                found.append(f"{shift:+.0f} s: the egress answers {statuses}, renewed: {renewed is not None}")
        return found

    def behind_refuses_everybody(self) -> list[str]:
        """What was issued a minute ago is of the future: refused, and accepted when the clock is right."""
        open_connection = self._sidecar.connection(self._sidecar.tls())
        found = []
        for shift, allowed in ((0.0, True), (-_HOUR, False), (0.0, True)):
            self._clock.set(shift)
            answers = self._ask(open_connection, self._long), self._ask_anew(self._long)
            wanted = {200} if allowed else {401, 403}
            found += [f"{shift:+.0f} s: {answer}" for answer in answers if answer[0] not in wanted]
        open_connection.close()
        return found

    def behind_takes_no_certificate_of_the_future(self) -> list[str]:
        """The last good one serves and it is told; the new one is served when its time has come."""
        before = self._sidecar.served_serial()
        self._clock.set(-_HOUR)
        rotate_leaf(self._sidecar.certs, "order-service/server", now=_now())
        found = []
        if waited(lambda: "valid only from" in self._degraded()) is None or self._sidecar.served_serial() != before:
            found.append(f"a certificate of the future: {self._degraded()}")
        self._clock.set(0.0)
        self._look_again()
        if (
            waited(lambda: self._sidecar.served_serial() != before and "valid only from" not in self._degraded())
            is None
        ):
            found.append(f"the clock is right again: {self._degraded()}")
        if self._ask_anew(self._long) != _OK:
            found.append("the clock is right again, and a good client was refused")
        return found

    def _ask(self, connection: http.client.HTTPConnection, token: str) -> tuple[int, str]:
        return ask_again(connection, token)

    def _ask_anew(self, token: str) -> tuple[int, str]:
        answer = self._sidecar.call("GET", "/orders/1", token=token, certificate=GATEWAY)
        return answer.status, "" if answer.status == 200 else answer.problem["reason"]

    def _outgoing(self) -> int:
        return self._sidecar.call_egress("GET", f"/{self._idp.target}/x").status

    def _degraded(self) -> str:
        return "; ".join(self._sidecar.readyz()["degraded"])

    def _look_again(self) -> None:
        """It would within thirty seconds."""
        assert self._sidecar.process is not None
        self._sidecar.process.send_signal(signal.SIGHUP)

    def _stored(self, pair: KeyPair) -> tuple[Path, Path]:
        cert, key = leaf_cert(self._sidecar.folder, "short"), leaf_key(self._sidecar.folder, "short")
        cert.write_bytes(pair.cert_pem)
        key.write_bytes(pair.key_pem)
        return cert, key


def few_descriptors(live: Live, part: str) -> list[str]:
    """With 256, somebody takes them all: at the ingress Envoy's, at the admin interface the control plane's."""
    john, found = live.user("john"), []

    def prepare(sidecar: LoneSidecar) -> None:
        sidecar.wrapper = (str(shutil.which("prlimit")), "--nofile=256:256")

    with LoneSidecar(live, prepare=prepare) as sidecar:
        if "256 file descriptors are allowed" not in str(sidecar.readyz()["degraded"]):
            found.append("too few descriptors are not told")
        pids = [process.pid for process in sidecar.tree()]
        kept = sidecar.connection(sidecar.tls())
        ask_again(kept, john)
        place = sidecar.place if part == "envoy" else (sidecar.address, 9901)
        with ExitStack() as crowd:
            for _ in range(400):
                one = crowd.enter_context(socket.socket())
                one.setblocking(False)
                one.connect_ex(place)
            time.sleep(1)  # for those whom nobody accepts yet
            kept.request("GET", "/forbidden", headers={"authorization": f"Bearer {john}"})
            refusal = kept.getresponse()
            refusal.read()
            good = ask_again(kept, john)[0]
            if refusal.status not in {403, 503} or good not in {200, 503}:
                found.append(f"{part}: with no descriptor left {refusal.status} for the bad, {good} for the good")
        kept.close()
        if waited(lambda: _serves(sidecar, john)) is None:
            found.append(f"{part}: does not serve again")
        if waited(lambda: sidecar.readyz()["ready"]) is None:
            found.append(f"{part}: is not ready again")
        if [process.pid for process in sidecar.tree()] != pids:
            found.append(f"{part}: a process died")
        if {seen.target for seen in sidecar.echo.seen} != {"/orders/1"}:
            found.append(f"{part}: a request that must be refused reached the service")
    return found


def _serves(sidecar: LoneSidecar, token: str) -> bool:
    try:
        return sidecar.call("GET", "/orders/1", token=token).status == 200
    except OSError:
        return False


def _now() -> datetime:
    return datetime.now(UTC)


ROW = Row(
    id="F8",
    title="a wrong clock, too few file descriptors",
    promise="refusals, never an allow, and all is well when the cause is gone",
    full=8,
    sample=6,
    budget=50,
    run=run,
)
