"""F11: streams of five kinds end with what they were let in by; others go on, whatever happens beside them."""

from __future__ import annotations

import itertools
import json
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from tests.faults.ground import Waits, long_token
from tests.support.live import Live
from tests.support.lone_config import POLICY
from tests.support.lone_sidecar import GATEWAY, LoneSidecar, replace, until
from tests.support.open_streams import Stream, all_kinds, routes, services
from tests.torture.row import Outcome, Progress, Row

from authz_devkit.certs.authority import client_request
from authz_devkit.certs.rotation import rotate_leaf
from authz_devkit.certs.tree import load_leaf

_KINDS = 5
_LIVES = 6  # seconds of a token that ends while we look


async def run(live: Live, size: int, progress: Progress) -> Outcome:
    sidecar = LoneSidecar(live, own_certs=True, prepare=_prepare)
    with ExitStack() as stack:
        stack.enter_context(services(sidecar))
        stack.enter_context(sidecar)
        row = _Row(live, sidecar)
        certificate = sidecar.issued("kept", client_request("api-gateway", "zone1", now=_now()))
        kept = stack.enter_context(all_kinds(sidecar, long_token(live), certificate))
        harm = itertools.cycle((row.token_denied, row.token_ends, row.certificate_denied))
        shock = itertools.cycle((row.hang_up, row.other_policy, row.other_certificate, row.dead_worker, row.listener))
        for number in range(0, size, _KINDS):
            next(shock)()
            next(harm)()
            row.must_pass(kept)
            progress(min(size, number + _KINDS))
    return Outcome(
        row.tried,
        [*row.failures, *row.ends.never],
        row.ends.deviations("a stream ended"),
        {"ended after": row.ends.figure, "others that went on": f"{len(kept)}, looked at {row.looks} times"},
    )


class _Row:
    def __init__(self, live: Live, sidecar: LoneSidecar) -> None:
        self.tried = self.looks = 0
        self.failures: list[str] = []
        self.ends = Waits(promised=2.0)
        self._live, self._sidecar = live, sidecar
        self._john = live.user("john")
        self._numbers = itertools.count()

    # what must end the streams of one caller

    def token_denied(self) -> None:
        token, jti = self._token()
        with all_kinds(self._sidecar, token) as streams:
            self._deny(tokens=[{"jti": jti}])
            self._must_end("denied token", streams, time.monotonic())

    def token_ends(self) -> None:
        end = int(time.time()) + _LIVES
        token, _ = self._token(exp=end)
        with all_kinds(self._sidecar, token) as streams:
            if time.time() >= end:
                self.failures.append("the token had ended before the streams began: the machine is too slow")
            time.sleep(max(0.0, end - time.time()))
            self._must_end("token at its end", streams, time.monotonic())

    def certificate_denied(self) -> None:
        token, _ = self._token()
        fingerprint = load_leaf(self._sidecar.certs, GATEWAY).certificate.fingerprint(SHA256()).hex()
        with all_kinds(self._sidecar, token) as streams:
            self._deny(certificates=[{"fingerprint_sha256": fingerprint}])
            self._must_end("denied certificate", streams, time.monotonic())
        rotate_leaf(self._sidecar.certs, GATEWAY, now=_now())

    # what must end nobody's

    def hang_up(self) -> None:
        self._sidecar.tree()[0].send_signal(signal.SIGHUP)

    def other_policy(self) -> None:
        self._changed(lambda: self._sidecar.write_policy(f"{POLICY}\n# {next(self._numbers)}\n"))

    def other_certificate(self) -> None:
        rotate_leaf(self._sidecar.certs, "order-service/server", now=_now())

    def dead_worker(self) -> None:
        for worker in self._sidecar.workers():
            worker.kill()
        until(lambda: len(self._sidecar.workers()) == 2 and self._sidecar.readyz()["ready"])

    def listener(self) -> None:
        idle = 90 + next(self._numbers)
        self._changed(lambda: self._sidecar.write_config({"http.timeouts.idle": f"{idle}s"}))

    def must_pass(self, streams: dict[str, Stream]) -> None:
        self.looks += 1
        for kind, stream in streams.items():
            try:
                stream.passes()
            except Exception as error:  # noqa: BLE001 - each kind has its own
                self.failures.append(f"a good {kind} was cut: {type(error).__name__}")

    def _must_end(self, what: str, streams: dict[str, Stream], since: float) -> None:
        for kind, stream in streams.items():
            self.tried += 1
            try:
                stream.wait_ended()
                self.ends.seconds.append(time.monotonic() - since)
            except Exception as error:  # noqa: BLE001 - as above
                self.ends.never.append(f"{what}, {kind}: {type(error).__name__} {error}")

    def _token(self, **claims: object) -> tuple[str, str]:
        jti = f"stream-{next(self._numbers)}"
        return self._live.signed("users", self._john, **{"jti": jti, "exp": int(time.time()) + 3600, **claims}), jti

    def _deny(self, **sections: object) -> None:
        replace(_denylist(self._sidecar), json.dumps(sections))

    def _changed(self, change: Callable[[], None]) -> None:
        revision = self._sidecar.readyz()["revision"]
        change()
        until(lambda: self._sidecar.readyz()["revision"] != revision and self._sidecar.readyz()["ready"])


def _prepare(sidecar: LoneSidecar) -> None:
    _denylist(sidecar).write_text("{}")
    changes = {
        "proxy.routes": routes(sidecar),
        "revocation.path": str(_denylist(sidecar)),
        "http.max_body_bytes": "2GiB",
        "jwt.leeway": "0s",
        "runtime.drain": "2s",
    }
    sidecar.write_config(changes)


def _denylist(sidecar: LoneSidecar) -> Path:
    return sidecar.folder / "etc" / "denylist.json"


def _now() -> datetime:
    return datetime.now(UTC)


ROW = Row(
    id="F11",
    title="requests in progress: token denied, token at its end, certificate denied",
    promise="each ends within 2 s; none of another caller does, over reloads, rotations and dead workers",
    full=100,
    sample=5,
    budget=110,
    run=run,
)
