"""A service of somebody's own, by the commands and the configuration of docs/development-kit.md, word by word."""

from __future__ import annotations

import json
import os
import shlex
import ssl
import subprocess
import sys
import time
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlencode

import pytest
from tests.support.echo_service import EchoService
from tests.support.lone_sidecar import until
from tests.support.neighbours import Answer, ask
from tests.support.patience import PATIENCE
from tests.support.ports import free_port
from tests.unit.docs.pages import fenced, read, section

PAGE = section(read("docs/development-kit.md"), "## Your own service")
SHOP, IDP = "shop.example.com", "idp.example.com"


class Own:
    """What the page makes, with ports and a folder that are free here."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self._stack = folder, stack
        self.ports = {port: free_port() for port in (8443, 8445, 9000, 9901)}
        (config,) = fenced(PAGE, "yaml")
        (folder / "config.yaml").write_text(self._here(config))
        commands, _ = fenced(PAGE, "sh")
        make, serve = self._here(commands).replace("\\\n", "").splitlines()
        subprocess.run(self._command(make), check=True, timeout=120)
        self.echo = stack.enter_context(EchoService("127.0.0.1", self.ports[9000]))
        self._start(self._command(serve.removesuffix("&")))
        until(self._issues)
        self._start([sys.executable, "-m", "authz_service.cli.main", "run", "--config", str(folder / "config.yaml")])
        until(self._ready, state=(folder / "log").read_text)

    def _here(self, text: str) -> str:
        for port, free in self.ports.items():
            text = text.replace(str(port), str(free))
        return text.replace("/tmp/own", str(self.folder))

    @staticmethod
    def _command(line: str) -> list[str]:
        program, *arguments = shlex.split(line)
        assert program == "authz-dev"
        return [sys.executable, "-m", "authz_devkit.cli", *arguments]

    def _start(self, command: list[str]) -> None:
        launcher = [sys.executable, "-m", "authz_service.parent_death", str(os.getpid())]
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen([*launcher, *command], stdout=log, stderr=log)
        self._stack.callback(process.wait, PATIENCE)
        self._stack.callback(process.terminate)

    def _ready(self) -> bool:
        try:
            return ask(("127.0.0.1", self.ports[9901]), "GET", "/readyz").status == 200
        except OSError:
            return False

    def _issues(self) -> bool:
        try:
            return bool(self.token())
        except OSError:
            return False

    def tls(self, client: str = "") -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.folder / "certs/ca/dev-ca.crt")
        if client:
            context.load_cert_chain(self.folder / f"certs/{client}.crt", self.folder / f"certs/{client}.key")
        return context

    def token(self) -> str:
        form = {"grant_type": "password", "client_id": "web", "client_secret": "web-secret"}
        body = urlencode(form | {"username": "anna", "password": "annas-password"}).encode()
        path = "/realms/own/protocol/openid-connect/token"
        kind = [("content-type", "application/x-www-form-urlencoded")]
        answer = ask(("127.0.0.1", self.ports[8445]), "POST", path, headers=kind, body=body, tls=self.tls(), host=IDP)
        return str(json.loads(answer.body)["access_token"])

    def call(self, client: str, token: str = "") -> Answer:
        headers = [("authorization", f"Bearer {token}")] if token else []
        place = ("127.0.0.1", self.ports[8443])
        return ask(place, "GET", "/", headers=headers, tls=self.tls(client), host=SHOP)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Own]:
    with ExitStack() as stack:
        yield Own(tmp_path_factory.mktemp("own"), stack)


def test_the_page_protects_a_service_of_ones_own(own: Own) -> None:
    """With certificate and token: 200. Without the token, or with another client's certificate: no."""
    assert own.call("web/client-dev", own.token()).status == 200
    assert len(own.echo.seen) == 1

    assert own.call("web/client-dev").status == 401
    with pytest.raises((ssl.SSLError, ConnectionError)):
        own.call("", own.token())
    more = ["certs", str(own.folder / "certs"), "--server", "stock=stock.example.com", "--client", "shop"]
    subprocess.run([sys.executable, "-m", "authz_devkit.cli", *more], check=True, timeout=120)
    refused = own.call("shop/client-dev", own.token())
    assert (refused.status, json.loads(refused.body)["reason"]) == (403, "client_not_allowed")
    assert len(own.echo.seen) == 1


def test_a_token_has_the_names_of_the_command(own: Own) -> None:
    """Issuer, audience, roles."""
    payload = own.token().split(".")[1]
    claims = json.loads(urlsafe_b64decode(payload + "=="))

    assert claims["iss"] == f"https://{IDP}:{own.ports[8445]}/realms/own"
    assert "shop" in claims["aud"]
    assert claims["realm_access"]["roles"] == ["buyer"]
    assert claims["exp"] > time.time()
