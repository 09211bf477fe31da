"""Starts in bad weather: the ingress serves what it can, `/readyz` says what is missing and why, alarms end with the
trouble (SECURITY T34, F10).
"""

from __future__ import annotations

import contextlib
import json
import shutil
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support import own_network
from tests.support.certificates import SERVER, Authority
from tests.support.faulty_server import Answer, FaultyServer, json_answer
from tests.support.lone_egress import Json, LoneEgress
from tests.support.lone_sidecar import replace, until
from tests.support.name_server import NameServer
from tests.support.neighbours import Answer as Answered
from tests.support.neighbours import ask
from tests.support.ports import free_port
from tests.support.shifted_clock import SHIM
from tests.support.tokens import an_ec_signer, good_claims, jwk, mint

IDP, TARGET = "idp.example.test", "data.example.test"
YEAR = 365 * 86_400.0
TOKEN = json_answer({"access_token": "tok", "token_type": "Bearer", "expires_in": 3600})
KEYS = json_answer({"keys": [jwk(an_ec_signer())]})
HTML = Answer(body=b"<html>maintenance</html>", headers={"Content-Type": "text/html"})


class Sidecar(LoneEgress):
    """With an ingress, too: `/open` wants no token, `/x` one of the provider's. Or with names, where DNS is ours."""

    def __init__(self, folder: Path, *, by_name: bool = False, audit: Path | None = None) -> None:
        authority = Authority.living("identity-ca", time.time())
        (folder / "ca.crt").write_bytes(authority.pem)
        tls = authority.issue("idp", dns=(IDP,), usages=(SERVER,)).write(folder, "idp")
        super().__init__(folder, {"client_secret": "s", "ca_file": str(folder / "ca.crt")}, idp=FaultyServer(tls=tls))
        self.ingress = ("127.0.0.1", free_port())
        self.by_name, self.changed = by_name, 0
        self.audit = audit or folder / "audit.jsonl"
        self.issuer = self.idp.url("", host=IDP)
        self.idp.script("/token", TOKEN)
        self.idp.script("/keys", KEYS)
        self.target.script("/x", json_answer({}))
        self.app = FaultyServer()
        for path in ("/x", "/open"):
            self.app.script(path, json_answer({}))

    def config(self) -> Json:
        config = super().config()
        target = config["egress"]["targets"]["a"]
        target["auth"]["token_url"] = f"{self.issuer}/token"
        if self.by_name:
            target["url"] = f"http://{TARGET}:{self.target.port}"
            # Each asks for a token of its own: more questions than the control plane has threads for files.
            others = {name: {**target, "auth": {**target["auth"], "client_id": name}} for name in "bcdefgh"}
            config["egress"]["targets"] |= others
        own = {"issuer": self.issuer, "jwks_url": f"{self.issuer}/keys", "ca_file": target["auth"]["ca_file"]}
        return config | {
            "http": {"addr": f"127.0.0.1:{self.ingress[1]}", "tls": {"enabled": False}},
            "jwt": {**own, "audience": "order-service"},
            "proxy": {
                "upstream": self.app.url(""),
                "authz": {"enabled": False},
                "routes": [{"path": "/open", "auth_required": False}, {"path": "/**"}],
            },
            "hosts": {} if self.by_name else {IDP: "127.0.0.1"},
            "audit": {"path": str(self.audit)},
        }

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)  # type: ignore[arg-type]
        self.app.go_down()

    def enter(self, path: str, now: float | None = None) -> tuple[int, str]:
        """Status and reason of a request to the ingress, with a token of this moment."""
        token = mint(good_claims(now or time.time(), iss=self.issuer), signer=an_ec_signer())
        headers = [("authorization", f"Bearer {token}")] if path != "/open" else []
        return answered(lambda: ask(self.ingress, "GET", path, headers=headers))

    def leave(self) -> tuple[int, str]:
        return answered(self.call)

    def serves_what_it_can(self) -> None:
        """Where no token is wanted: 200. With one that cannot be judged: 503, and nothing gets through."""
        until(lambda: self.enter("/open") == (200, ""), state=self.log_file.read_text)
        assert self.enter("/x") == (503, "keys_unavailable")
        assert self.leave() == (503, "upstream_unavailable" if self.by_name else "egress_token_unavailable")
        assert self.target.seen("/x") == self.app.seen("/x") == []

    def says(self, *whys: str) -> None:
        """For the keys and for the token, each with a reason out of these."""
        awaited = (f"no keys yet of {self.issuer}: ", "no token yet for a: ")

        def told() -> bool:
            missing = self.readyz()["missing"]
            lines = [next((line for line in missing if line.startswith(of)), "") for of in awaited]
            return all(any(why in line for why in whys) for line in lines)

        until(told, state=lambda: str(self.readyz()))

    def sources(self, event: str) -> set[str]:
        return {found["source"] for found in self.events(event)}

    def changes(self) -> None:
        """Something that Envoy is told."""
        config = self.config()
        self.changed += 1
        config["egress"]["targets"]["a"]["timeout"] = f"{20 + self.changed}s"
        replace(self.config_file, json.dumps(config))

    def reloads(self) -> None:
        """A change of the files is taken over, whoever waits for whom."""
        before = self.readyz()["revision"]
        self.changes()
        until(lambda: self.readyz()["revision"] != before, state=self.log_file.read_text)

    def heals(self) -> None:
        """Ready, without an alarm, and both doors serve."""
        self.wait_ready()
        until(lambda: self.readyz()["degraded"] == [], state=lambda: str(self.readyz()))
        until(lambda: self.leave() == (200, ""))
        assert self.enter("/open") == self.enter("/x") == (200, "")

    def ends(self) -> str:
        """By itself, with 1; its log."""
        assert self.process is not None
        assert self.process.wait(60) == 1
        log = self.log_file.read_text()
        assert "Traceback" not in log
        return log


def answered(call: Callable[[], Answered]) -> tuple[int, str]:
    try:
        answer = call()
    except ConnectionRefusedError:
        return 0, ""
    return answer.status, answer.problem["reason"] if answer.status >= 400 else ""


@pytest.mark.own_network
def test_dns_answers_nothing_or_late(tmp_path: Path) -> None:
    """For the identity provider's name and a target's. Files that change meanwhile are followed all the same."""
    sidecar = Sidecar(tmp_path, by_name=True)
    with NameServer("127.0.0.1", "127.0.0.1", "silent", port=53) as names, sidecar:
        sidecar.serves_what_it_can()
        sidecar.says("no whole answer within 5 s")
        sidecar.reloads()
        names.mood = "failing"
        sidecar.says("Temporary failure")
        names.mood = "unknown"
        sidecar.says("not known")
        names.mood = "failing"
        until(lambda: "cluster.target_a" in sidecar.sources("update_failing"), 90, sidecar.log_file.read_text)
        until(lambda: sidecar.metric('authz_lookup_failures_total{cluster="target_a"}') > 0)
        names.mood = "slow"
        sidecar.heals()
        until(lambda: sidecar.sources("update_works_again") >= sidecar.sources("update_failing"))


def test_the_identity_provider_is_in_every_trouble(tmp_path: Path) -> None:
    """Away, wrong, slow, or with a certificate that we do not know; then well."""
    sidecar = Sidecar(tmp_path)
    good = (tmp_path / "ca.crt").read_bytes()
    sidecar.idp.go_down()
    with sidecar:
        sidecar.serves_what_it_can()
        sidecar.says("attempts failed")
        for trouble, why in ((HTML, "not JSON"), (Answer(delay=60), "no whole answer")):
            for path in ("/keys", "/token"):
                sidecar.idp.script(path, trouble)
            if trouble is HTML:
                sidecar.idp.come_up()
            sidecar.says(why)
        replace(tmp_path / "ca.crt", Authority.living("another-ca", time.time()).pem.decode())
        sidecar.says("certificate verify failed")
        assert sidecar.enter("/open") == (200, "")

        replace(tmp_path / "ca.crt", good.decode())
        sidecar.idp.script("/token", TOKEN)
        sidecar.idp.script("/keys", KEYS)
        sidecar.heals()


@pytest.mark.own_network
@pytest.mark.parametrize("left", [5, 6])
def test_inotify_is_used_up(tmp_path: Path, left: int) -> None:
    """Envoy takes five, and we one: with fewer nothing begins, and one line says why."""
    own_network.allow_inotify(left)
    with Sidecar(tmp_path) as sidecar:
        if left < 6:
            assert "6 inotify instances are needed, and 5 are left to this user" in sidecar.ends()
        else:
            sidecar.heals()
            assert not sidecar.events("files_not_watched")
            sidecar.changes()
            until(lambda: "1 inotify instances are needed, and 0 are left" in str(sidecar.readyz()["degraded"]))
            own_network.allow_inotify(left + 1)
            sidecar.reloads()
            sidecar.heals()


@pytest.mark.own_network
def test_the_state_directory_has_no_room(tmp_path: Path) -> None:
    """Nothing begins, and one line says why; with room it does."""
    state = tmp_path / "state"
    own_network.mount_small(state, "256k")
    with contextlib.suppress(OSError), (state / "ballast").open("wb") as ballast:
        while True:
            ballast.write(bytes(4096))
            ballast.flush()
    with Sidecar(tmp_path) as sidecar:
        assert f"runtime.state_dir {state} is full; make room there" in sidecar.ends()
    (state / "ballast").unlink()
    with Sidecar(tmp_path) as sidecar:
        sidecar.heals()


@pytest.mark.own_network
def test_the_audit_file_has_no_room(tmp_path: Path) -> None:
    """Nothing is allowed without its record; with room everything is, by itself."""
    own_network.mount_small(tmp_path / "audit", "16k")
    ballast = tmp_path / "audit" / "ballast"
    with contextlib.suppress(OSError):
        ballast.write_bytes(bytes(64 << 10))
    with Sidecar(tmp_path, audit=tmp_path / "audit" / "audit.jsonl") as sidecar:
        sidecar.wait_ready()
        until(lambda: sidecar.enter("/open") == (503, "audit_unavailable"))
        assert sidecar.app.seen() == []
        ballast.unlink()
        sidecar.heals()


@pytest.mark.parametrize("years", [-10, 10])
def test_the_clock_is_wrong(tmp_path: Path, years: int) -> None:
    """Our own tokens live by the seconds since they came; callers' tokens are refused until somebody sets the clock."""
    shim = tmp_path / "clock"
    shim.mkdir()
    shutil.copy(SHIM, shim)
    (shim / "offset").write_bytes(struct.pack("d", years * YEAR))
    sidecar = Sidecar(tmp_path)
    sidecar.environment["PYTHONPATH"] = str(shim)
    with sidecar:
        sidecar.wait_ready()
        assert sidecar.enter("/open") == sidecar.leave() == (200, "")
        assert sidecar.enter("/x") == (401, "token_expired" if years > 0 else "token_not_yet_valid")

        with (shim / "offset").open("r+b") as offset:
            offset.write(struct.pack("d", 0.0))
        sidecar.heals()
