"""A sidecar whose bundle and revocation lists change from shape to shape, and what clients and operator get of it."""

from __future__ import annotations

import http.client
import ssl
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing

from tests.support.certificates import Leaf
from tests.support.live import Live
from tests.support.lone_sidecar import LoneSidecar, ask_again, replace
from tests.support.patience import PATIENCE
from tests.support.revocation_shapes import CALLER, SHAPES, Shape

from authz_service.domain.refusals import Reason

HANDSHAKE = "refused in the handshake"
REFUSED_BY = {"envoy": HANDSHAKE, "gate": str(Reason.CLIENT_CERT_REVOKED)}
PLAIN = SHAPES[0]


class ListedSidecar:
    """`sidecar` is not started; it has the lists of the plainest shape."""

    def __init__(self, live: Live) -> None:
        self.sidecar = LoneSidecar(live)
        self._token = live.user("john")
        self.bundle, self.lists = self.sidecar.folder / "clients.pem", self.sidecar.folder / "lists.pem"
        self.good, self.revoked = PLAIN.clients()
        self.put(PLAIN, self.revoked)

    def put(self, shape: Shape, revoked: Leaf, more: Mapping[str, object] | None = None) -> None:
        """Its files, by rename, one after the other."""
        self.sidecar.write_config(
            {
                "http.tls.client_ca_file": str(self.bundle),
                "http.tls.crl_file": str(self.lists),
                "http.tls.crl_expired": shape.expired,
                "proxy.mtls": {"allowed_clients": [f"CN={CALLER},O=MyOrg"]},
                **(more or {}),
            }
        )
        replace(self.bundle, shape.trusted.decode())
        replace(self.lists, shape.lists(revoked.serial).decode())

    def put_back(self) -> None:
        self.put(PLAIN, self.revoked)

    def answers(self, *clients: Leaf) -> list[str]:
        """What each client gets on a connection of its own."""
        return [self._answer(client) for client in clients]

    def connection(self, client: Leaf) -> http.client.HTTPConnection:
        """One that stays open over several requests."""
        return self.sidecar.connection(self._tls(client))

    def ask(self, connection: http.client.HTTPConnection) -> tuple[int, str]:
        """Status, and the reason of a refusal."""
        return ask_again(connection, self._token)

    def wrong_at_start(self, shape: Shape) -> list[str]:
        """With these files `authz check` and `authz run` say and do what the table says. The echo service is up."""
        good, revoked = shape.clients()
        self.put(shape, revoked)
        usable, sidecar = shape.by != "nobody", self.sidecar
        command = [sys.executable, "-m", "authz_service.cli.main", "check", "--config", str(sidecar.config_file)]
        before = len(sidecar.log) if sidecar.log_file.exists() else 0
        sidecar.start()
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as check:
            checked, _ = check.communicate(timeout=PATIENCE)
        try:
            found = [f"check: exit code {check.returncode}"] if check.returncode != (not usable) else []
            found += [f"check: does not say {shape.told}"] if not _says(checked, shape.told) else []
            if usable:
                sidecar.wait_ready()
                answers = self.answers(good, revoked)
                found += [f"clients got {answers}"] if answers != ["200", REFUSED_BY[shape.by]] else []
                said = self.degraded()
            else:
                assert sidecar.process is not None
                code, said = sidecar.process.wait(PATIENCE), sidecar.log[before:]
                found += [f"run: exit code {code}"] if code != 1 else []
            found += [f"run: does not say {shape.told}"] if not _says(said, shape.told) else []
        finally:
            sidecar.kill()
        return found

    def degraded(self) -> str:
        return "\n".join(self.sidecar.readyz()["degraded"])

    def _answer(self, client: Leaf) -> str:
        try:
            with closing(self.connection(client)) as connection:
                status, reason = self.ask(connection)
        except OSError:  # ssl.SSLError, ConnectionError
            return HANDSHAKE
        return reason or str(status)

    def _tls(self, client: Leaf) -> ssl.SSLContext:
        return self.sidecar.tls(client.write(self.sidecar.folder, f"client-{client.serial}"))


def _says(text: str, told: str) -> bool:
    """However its lines are broken."""
    return "".join(told.split()) in "".join(text.split())
