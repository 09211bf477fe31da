"""A sidecar whose policies come as signed bundles from a real HTTPS server."""

from __future__ import annotations

import hashlib
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.support import bundles
from tests.support.faulty_server import Answer, FaultyServer, Seen
from tests.support.lone_config import POLICY
from tests.support.lone_sidecar import LoneSidecar, until
from tests.support.patience import PATIENCE

from authz_devkit.certs.tree import ca_bundle, leaf_cert, leaf_key
from authz_service.domain.refusals import Reason

if TYPE_CHECKING:
    from tests.support.live import Live

PATH = "/order.tar.gz"
SERVER = "payment-service.zone2.local"  # any name that has a certificate
REFUSING = POLICY.replace('"forbidden"', '"orders"')  # allows everything but /orders
LOOPING = POLICY + "\nallow if data.lone.allow\n"
KEY, OTHER = bundles.a_key(), bundles.a_key()


class Shelf:
    """The server's side: what it offers, by HTTP's rules about entity tags."""

    def __init__(self, server: FaultyServer, keys: Path) -> None:
        self.server = server
        self.keys = keys
        self.asked = self.not_modified = 0
        server.script_with(PATH, self._answer)
        self.offer(bundles.bundle({"lone.rego": POLICY}, KEY))

    def offer(self, content: bytes) -> None:
        self.content = content
        self.etag = f'"{hashlib.sha256(content).hexdigest()[:8]}"'

    def offer_policy(self, text: str) -> None:
        self.offer(bundles.bundle({"lone.rego": text}, KEY))

    def config(self, live: Live, key: str = "key.pem") -> dict[str, object]:
        bundle = {
            "url": self.server.url(PATH, host=SERVER),
            "polling": "200ms",
            "ca_file": str(ca_bundle(live.mesh.certs, "zone2")),
            "keys": {"default": str(self.keys / key)},
        }
        return {"policy": {"bundle": bundle}, "hosts": {**live.mesh.hosts, SERVER: self.server.address}}

    def _answer(self, seen: Seen) -> Answer:
        self.asked += 1
        if seen.headers.get("if-none-match") == self.etag:
            self.not_modified += 1
            return Answer(status=304)
        return Answer(body=self.content, headers={"ETag": self.etag})


@pytest.fixture
def shelf(live: Live, tmp_path: Path) -> Iterator[Shelf]:
    bundles.write_public(KEY, tmp_path / "key.pem")
    bundles.write_public(OTHER, tmp_path / "other.pem")
    tls = (leaf_cert(live.mesh.certs, "payment-service/server"), leaf_key(live.mesh.certs, "payment-service/server"))
    with FaultyServer(tls) as server:
        yield Shelf(server, tmp_path)


def status(sidecar: LoneSidecar, live: Live, path: str = "/orders/1") -> int:
    return sidecar.call("GET", path, token=live.user("john")).status


def test_a_new_bundle_acts_and_the_same_one_is_not_sent_again(
    start_sidecar: Callable[..., LoneSidecar], live: Live, shelf: Shelf
) -> None:
    """Ready with the first one; each later one is a reload."""
    sidecar = start_sidecar(shelf.config(live))
    assert status(sidecar, live) == 200
    assert status(sidecar, live, "/forbidden") == 403
    until(lambda: shelf.not_modified > 2)
    assert sidecar.metric('authz_reloads_total{result="ok",what="bundle"}') == 1

    shelf.offer_policy(REFUSING)
    until(lambda: status(sidecar, live) == 403)
    assert status(sidecar, live, "/forbidden") == 200
    until(lambda: sidecar.metric('authz_reloads_total{result="ok",what="bundle"}') == 2)


def test_an_odd_entity_tag_does_not_end_the_asking(
    start_sidecar: Callable[..., LoneSidecar], live: Live, shelf: Shelf
) -> None:
    """Header fields are ASCII, but a server may send others (RFC 9110 §5.5)."""
    shelf.etag = '"\xe9"'
    sidecar = start_sidecar(shelf.config(live))
    assert status(sidecar, live) == 200
    asked = shelf.asked
    until(lambda: shelf.asked > asked + 1)

    shelf.offer_policy(REFUSING)
    until(lambda: status(sidecar, live) == 403)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (bundles.archive({"lone.rego": REFUSING}), "not signed"),
        (bundles.bundle({"lone.rego": REFUSING}, OTHER), "not signed by a key"),
        (bundles.bundle({"lone.rego": LOOPING}, KEY), "is recursive"),
        (bundles.bundle({"other.rego": "package other\nallow := true\n"}, KEY), "names no rule"),
        (b"\x1f\x8b" + bytes(100), "no gzipped tar archive"),
        (bytes(17 << 20), "larger than"),
    ],
    ids=["unsigned", "another key", "refused by the vetting", "without the rule", "broken", "oversized"],
)
def test_a_bad_bundle_never_replaces_a_good_one(
    start_sidecar: Callable[..., LoneSidecar], live: Live, shelf: Shelf, content: bytes, found: str
) -> None:
    """The last good one decides, /readyz says what is wrong, and a good one heals it."""
    sidecar = start_sidecar(shelf.config(live))
    assert status(sidecar, live) == 200

    shelf.offer(content)
    until(lambda: found in str(sidecar.readyz()["degraded"]), state=lambda: str(sidecar.readyz()))
    assert sidecar.readyz()["ready"]
    assert status(sidecar, live) == 200
    assert "bundle_not_taken" in sidecar.log

    shelf.offer_policy(REFUSING)
    until(lambda: status(sidecar, live) == 403)
    until(lambda: sidecar.readyz()["degraded"] == [])


def test_the_last_good_bundle_survives_a_restart_while_the_server_is_away(
    start_sidecar: Callable[..., LoneSidecar], live: Live, shelf: Shelf
) -> None:
    """Ready without the server; with another key it is as if there were none."""
    sidecar = start_sidecar(shelf.config(live))
    assert status(sidecar, live) == 200
    shelf.server.go_down()
    sidecar.kill()
    sidecar.start()
    sidecar.wait_ready()
    assert status(sidecar, live) == 200
    until(lambda: "no new policy bundle" in str(sidecar.readyz()["degraded"]))

    sidecar.write_config(shelf.config(live, "other.pem"))
    until(lambda: status(sidecar, live) == 503)
    answer = sidecar.call("GET", "/orders/1", token=live.user("john"))
    assert answer.problem["reason"] == Reason.POLICY_UNAVAILABLE
    until(lambda: "no policy bundle yet" in str(sidecar.readyz()["missing"]))


def test_without_a_first_bundle_nobody_is_let_in(live: Live, shelf: Shelf) -> None:
    """Not ready, and 503; the first good bundle makes it ready."""
    shelf.offer(bundles.archive({"lone.rego": POLICY}))
    sidecar = LoneSidecar(live, shelf.config(live))
    sidecar.echo.__enter__()
    try:
        sidecar.start()
        until(lambda: "not signed" in str(sidecar.readyz()["missing"]))
        until(lambda: "no policy bundle yet" in str(sidecar.readyz()["missing"]) and _listens(sidecar))
        assert status(sidecar, live) == 503
        assert sidecar.audit[-1]["reason"] == Reason.POLICY_UNAVAILABLE
        assert sidecar.echo.seen == []
        shelf.offer_policy(POLICY)
        sidecar.wait_ready()
        assert status(sidecar, live) == 200
        assert sidecar.process is not None
        sidecar.process.send_signal(signal.SIGTERM)
        assert sidecar.process.wait(PATIENCE) == 0
    finally:
        sidecar.__exit__(None, None, None)


def _listens(sidecar: LoneSidecar) -> bool:
    return len(sidecar.readyz()["missing"]) == 1
