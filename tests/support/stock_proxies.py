"""Other people's proxies, as their users set them up: the files of examples/decision_only, at a test's addresses.

with StockProxy("nginx", decision_point) as nginx:
    nginx.call("GET", "/orders/1", token=…)
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import yaml
from tests.support.live import Live
from tests.support.lone_config import GATEWAY, HOST, REMOVED
from tests.support.lone_sidecar import LoneSidecar
from tests.support.neighbours import Answer, Headers, ask
from tests.support.patience import PATIENCE

from authz_devkit.demo.mesh import EXAMPLE as THREE_ZONES
from authz_devkit.demo.mesh import REPOSITORY
from authz_service.envoy.binary import find_envoy

EXAMPLE = REPOSITORY / "examples" / "decision_only"
FILES = {"envoy-grpc": "envoy-grpc.yaml", "envoy-http": "envoy-http.yaml", "nginx": "nginx.conf", "caddy": "Caddyfile"}


def decision_point(live: Live, changes: dict[str, object] | None = None, policy: str | None = None) -> LoneSidecar:
    """The example's, with the order service's policy: no Envoy of ours, an echo service for proxies to forward to."""
    wanted = yaml.safe_load((EXAMPLE / "authz.yaml").read_text())
    rules = policy or (THREE_ZONES / "order-service" / "policies" / "order.rego").read_text()

    def place(sidecar: LoneSidecar) -> None:
        named = wanted["proxy"]["asked_by"].items()
        asked_by = {name: {**asker, "addr": _moved(asker["addr"], sidecar)} for name, asker in named}
        sidecar.write_config({"http": REMOVED, "proxy": {**wanted["proxy"], "asked_by": asked_by}, **(changes or {})})

    return LoneSidecar(live, policy=rules, prepare=place)


class StockProxy:
    """In front of the decision point's echo service, at an address of its own."""

    def __init__(self, kind: str, live: Live, asked: LoneSidecar) -> None:
        self.kind, self.asked = kind, asked
        self.address = live.free_address()
        self.folder = asked.folder / kind
        self.folder.mkdir()
        self._file = self.folder / FILES[kind]
        self._log = self.folder / "log"
        self._file.write_text(self._here((EXAMPLE / FILES[kind]).read_text()))
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                self._command(), stdout=log, stderr=log, cwd=self.folder,
                env={"PATH": os.environ["PATH"], "HOME": str(self.folder)},
            )  # fmt: skip
        deadline = time.monotonic() + PATIENCE
        while not self._listens():
            assert self.process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.02)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process is not None:
            self.process.terminate()  # nginx' workers end with it; kill would leave them
            self.process.wait(PATIENCE)

    @property
    def log(self) -> str:
        return self._log.read_text()

    def call(
        self,
        method: str,
        target: str,
        *,
        token: str | None = None,
        certificate: str | tuple[Path, Path] | None = GATEWAY,
        headers: Headers = (),
        body: bytes | None = None,
    ) -> Answer:
        sent = [*headers, *([("authorization", f"Bearer {token}")] if token is not None else [])]
        tls = self.asked.tls(certificate)
        return ask((self.address, 8443), method, target, headers=sent, body=body, tls=tls, host=HOST)

    def _here(self, text: str) -> str:
        here = {
            "/etc/certs": str(self.asked.certs),
            "/run/authz": str(self.asked.folder / "run"),
            "127.0.0.1": self.asked.address,
            "0.0.0.0": self.address,
            "listen 8443": f"listen {self.address}:8443",
        }
        for there, ours in here.items():
            text = text.replace(there, ours)
        if self.kind == "nginx":  # its own folders are root's
            kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
            own = "".join(f"  {kind}_temp_path {self.folder}/{kind};\n" for kind in kinds)
            text = text.replace("http {\n", f"http {{\n{own}")
        if self.kind == "caddy":
            text = text.replace("https://:8443 {", f"https://:8443 {{\n\tbind {self.address}", 1)
        return text

    def _command(self) -> list[str]:
        return _COMMANDS[self.kind](self._file, self.folder)

    def _listens(self) -> bool:
        try:
            socket.create_connection((self.address, 8443), timeout=PATIENCE).close()
        except OSError:
            return False
        return True


def _envoy(file: Path, folder: Path) -> list[str]:
    del folder
    return [str(find_envoy(os.environ)), "-c", str(file), "--concurrency", "1", "--disable-hot-restart", "-l", "warn"]


def _nginx(file: Path, folder: Path) -> list[str]:
    own = f"daemon off; pid {folder}/nginx.pid; error_log stderr; {'user root;' if os.geteuid() == 0 else ''}"
    return [_program("nginx"), "-p", str(folder), "-c", str(file), "-g", own]


def _caddy(file: Path, folder: Path) -> list[str]:
    del folder
    return [_program("caddy"), "run", "--adapter", "caddyfile", "--config", str(file)]


_COMMANDS: dict[str, Callable[[Path, Path], list[str]]] = {
    "envoy-grpc": _envoy, "envoy-http": _envoy, "nginx": _nginx, "caddy": _caddy,
}  # fmt: skip


def _program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    assert found is not None, f"{name} is not here: apt-get install nginx-light caddy (.ci/run does)"
    return found


def _moved(addr: str, sidecar: LoneSidecar) -> str:
    """To the sidecar's address and folder."""
    (sidecar.folder / "run").mkdir(exist_ok=True)
    return addr.replace("127.0.0.1", sidecar.address).replace("/run/authz", str(sidecar.folder / "run"))
