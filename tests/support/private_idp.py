"""An identity provider of a test's own: the development kit's, in its own process, to be changed at will."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Self
from urllib.parse import urlencode

from tests.support.live import Json, Live, short_name
from tests.support.lone_config import put
from tests.support.lone_sidecar import until
from tests.support.neighbours import Answer, ask

from authz_devkit.certs.tree import ca_bundle, leaf_cert, leaf_key
from authz_devkit.demo.caller import PASSWORD
from authz_devkit.demo.identity import signing_keys_file
from authz_devkit.demo.mesh import EXAMPLE, IDENTITY_PROVIDER


class PrivateIdp:
    """Same name, same certificate and same realms as the mesh's, at another address; `hosts` leads a sidecar here."""

    def __init__(self, live: Live, lifetime: int = 300, *, signing_as_the_mesh: bool = False) -> None:
        """Access tokens live for `lifetime` seconds."""
        self._live = live
        self.address = live.free_address()
        self.folder = live.mesh.folder / f"idp-{short_name(self.address)}"
        shutil.copytree(EXAMPLE / "realms", self.folder)
        for realm in self.folder.glob("*.json"):
            document = json.loads(realm.read_text())
            put(document, "accessTokenLifespan", lifetime)
            realm.write_text(json.dumps(document))
        if signing_as_the_mesh:
            shutil.copy(signing_keys_file(live.mesh.folder), self.folder / "keys.state")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def hosts(self) -> Mapping[str, str]:
        return {**self._live.mesh.hosts, IDENTITY_PROVIDER: self.address}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Returns when it answers."""
        certs, name = self._live.mesh.certs, "identity-provider/server"
        options = {
            "--realms": self.folder,
            "--listen": f"{self.address}:8443",
            "--cert": leaf_cert(certs, name),
            "--key": leaf_key(certs, name),
            "--hostname": self._live.mesh.identity_url,
            "--state": self.folder / "keys.state",
        }
        authorities = [("--client-ca", ca_bundle(certs, zone)) for zone in ("zone1", "zone2", "zone3")]
        words = [str(word) for option in (*options.items(), *authorities) for word in option]
        launcher = [sys.executable, "-m", "authz_service.parent_death", str(os.getpid())]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*launcher, sys.executable, "-m", "authz_devkit.cli", "idp", *words], stdout=log, stderr=log
            )
        until(self._answers)

    def stop(self) -> None:
        """At once, as a crash."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    def user(self, name: str) -> str:
        """An access token."""
        form = {"grant_type": "password", "client_id": "web-app", "username": name, "password": PASSWORD}
        answer = self._post("/realms/users/protocol/openid-connect/token", urlencode(form), "x-www-form-urlencoded")
        return str(json.loads(answer.body)["access_token"])

    def service(self, client_id: str, scope: str = "data-service:read") -> str:
        """An access token that the service fetches for itself; its secret is the example's."""
        form = {"grant_type": "client_credentials", "scope": scope, **_credentials(client_id)}
        answer = self._post("/realms/services/protocol/openid-connect/token", urlencode(form), "x-www-form-urlencoded")
        return str(json.loads(answer.body)["access_token"])

    def revoke(self, client_id: str, token: str) -> None:
        """The service takes its token back (RFC 7009)."""
        form = {"token": token, **_credentials(client_id)}
        self._post("/realms/services/protocol/openid-connect/revoke", urlencode(form), "x-www-form-urlencoded")

    def rotate_keys(self, realm: str, *, keep_old: bool) -> Json:
        """It signs with a new key from now on, and may go on publishing the old ones."""
        answer = self._post(f"/dev/realms/{realm}/rotate-keys", json.dumps({"keep_old": keep_old}), "json")
        found: Json = json.loads(answer.body)
        return found

    def _post(self, path: str, body: str, kind: str) -> Answer:
        answer = ask(
            (self.address, 8443), "POST", path, body=body.encode(), headers=[("content-type", f"application/{kind}")],
            tls=self._live.identity_tls, host=IDENTITY_PROVIDER,
        )  # fmt: skip
        assert answer.status == 200, answer
        return answer

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "log").read_text()
        try:
            found = ask(
                (self.address, 8443), "GET", "/realms/users", tls=self._live.identity_tls, host=IDENTITY_PROVIDER
            )
        except ConnectionError:
            return False
        return found.status == 200


def _credentials(client_id: str) -> dict[str, str]:
    return {"client_id": client_id, "client_secret": f"{client_id}-secret"}
