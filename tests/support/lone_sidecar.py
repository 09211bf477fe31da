"""One real sidecar of any configuration, with an echo service behind it, for tests that change or break things.

sidecar = LoneSidecar(live, {"http.tls.client_auth": "request", "proxy.mtls": REMOVED})
with sidecar:
    sidecar.call("GET", "/orders/1", token=live.user("john"))
    assert sidecar.echo.seen[-1].values("x-user-id")
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
from tests.support import measured
from tests.support.echo_service import EchoService
from tests.support.live import Json, Live, lines, short_name
from tests.support.lone_config import GATEWAY, HOST, POLICY, REMOVED, TARGET, egress_config, ingress_config, put
from tests.support.neighbours import Answer, Headers, ask, send_raw
from tests.support.patience import PATIENCE, until

from authz_devkit.certs.authority import Request
from authz_devkit.certs.tree import ca_bundle, leaf_cert, leaf_key, load_authority
from authz_service.audit.chain import Head, heads
from authz_service.envoy.decision_cache import OVERRIDE

__all__ = ["GATEWAY", "HOST", "REMOVED", "TARGET", "LoneSidecar", "ask_again", "replace", "until"]


class LoneSidecar:
    """`changes` are values at dotted paths of `ingress_config()`; REMOVED takes a key away.

    With a `target` there is an egress: `/data/**` goes to that address under the name, and with the token, of the data
    service.
    """

    def __init__(
        self,
        live: Live,
        changes: Mapping[str, object] | None = None,
        *,
        target: tuple[str, int] | None = None,
        own_certs: bool = False,
        policy: str = POLICY,
        prepare: Callable[[LoneSidecar], None] | None = None,
    ) -> None:
        """`prepare` is the last thing before the start."""
        self.address = live.free_address()
        self.folder = live.mesh.folder / f"lone-{short_name(self.address)}"
        (self.folder / "etc").mkdir(parents=True, mode=0o700)
        self.certs = live.mesh.certs
        if own_certs:  # of the same CAs, so that they can be rotated without the others noticing
            self.certs = self.folder / "certs"
            shutil.copytree(live.mesh.certs, self.certs)
        self.echo = EchoService(self.address, 9000)
        self.config = ingress_config(live, self.address, self.folder, self.certs)
        if target is not None:
            self.config |= egress_config(live, self.address, self.certs, target)
        self.config_file = self.folder / "etc" / "config.yaml"
        self.log_file = self.folder / "log.jsonl"
        self.process: subprocess.Popen[bytes] | None = None
        self.is_tampered_with = False
        self.wrapper: tuple[str, ...] = ()  # a command that becomes the sidecar
        self.environment: dict[str, str] = {}
        self._measured = self.folder / "measured" if measured.is_measured() else None
        self.write_policy(policy)
        self.write_config(changes or {})
        if prepare is not None:
            prepare(self)

    def write_config(self, changes: Mapping[str, object]) -> None:
        """Change the file, in one step."""
        for path, value in changes.items():
            put(self.config, path, value)
        replace(self.config_file, json.dumps(self.config, indent=1))  # JSON is YAML

    def write_policy(self, text: str) -> None:
        (self.folder / "policies").mkdir(exist_ok=True)
        replace(self.folder / "policies" / "lone.rego", text)

    def __enter__(self) -> Self:
        self.echo.__enter__()
        try:
            self.start()
            self.wait_ready()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._end()
        finally:
            self.echo.__exit__(kind, error, trace)
        if not self.is_tampered_with:  # whatever a test does: what Envoy runs is known to be ours
            assert "envoy_runs_foreign_configuration" not in self.log, self.log[-3000:]

    def _end(self) -> None:
        if self._measured is not None and self.process is not None and self.process.poll() is None:
            self.stop()  # who is killed cannot tell what it reached
        self.kill()
        if self._measured is not None:
            measured.take(self._measured)

    def kill(self) -> None:
        """Faster than a graceful stop; the rest follows the control plane, as test_supervision proves."""
        if self.process is not None and self.process.poll() is None:
            everybody = self.tree()
            self.process.kill()
            self.process.wait()
            _, alive = psutil.wait_procs(everybody, PATIENCE)
            assert alive == []

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-m", "authz_service.cli.main", "run", "--config", str(self.config_file)]

    def start(self, wrapper: tuple[str, ...] = ()) -> None:
        """Bound to our life, as everything that tests start."""
        launcher = [sys.executable, "-m", "authz_service.parent_death", str(os.getpid())]
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [*launcher, *(wrapper or self.wrapper), *self.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={name: os.environ[name] for name in ("PATH", "PYTHONPATH", OVERRIDE) if name in os.environ}
                | ({} if self._measured is None else measured.begin(self._measured))
                | self.environment,
                start_new_session=True,
            )

    def wait_ready(self, patience: float = PATIENCE) -> None:
        until(lambda: self.readyz()["ready"], patience, self._state)

    def readyz(self) -> Json:
        try:
            found: Json = json.loads(self.admin("/readyz").body)
        except ConnectionError:
            assert self.process is not None
            assert self.process.poll() is None, self.log
            return {"ready": False, "missing": ["nobody listens"], "degraded": []}
        return found

    def admin(self, path: str) -> Answer:
        return ask((self.address, 9901), "GET", path)

    def metric(self, name: str) -> float:
        """The present value of one line of /metrics, labels and all; 0 when it is not there."""
        for line in self.admin("/metrics").body.decode().splitlines():
            if line.startswith(f"{name} "):
                return float(line.rsplit(" ", 1)[1])
        return 0.0

    def tls(self, certificate: str | tuple[Path, Path] | None = GATEWAY) -> ssl.SSLContext:
        """A client that trusts zone 2 and shows this certificate (a name in the tree, or files)."""
        context = ssl.create_default_context(cafile=ca_bundle(self.certs, "zone2"))
        if isinstance(certificate, str):
            certificate = (leaf_cert(self.certs, certificate), leaf_key(self.certs, certificate))
        if certificate is not None:
            context.load_cert_chain(*certificate)
        return context

    def issued(self, name: str, request: Request) -> tuple[Path, Path]:
        """A certificate of zone 2's true CA, and its key: whatever somebody might get signed."""
        pair = load_authority(self.certs, "zone2").issue(request)
        cert, key = leaf_cert(self.folder, name), leaf_key(self.folder, name)
        cert.write_bytes(pair.cert_pem)
        key.write_bytes(pair.key_pem)
        return cert, key

    @property
    def place(self) -> tuple[str, int]:
        return (self.address, 8443)

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
        """One request to the ingress over a connection of its own."""
        sent = [*headers, *([("authorization", f"Bearer {token}")] if token is not None else [])]
        return ask(self.place, method, target, headers=sent, body=body, tls=self.tls(certificate), host=HOST)

    def connection(self, tls: ssl.SSLContext, session: ssl.SSLSession | None = None) -> http.client.HTTPConnection:
        """A connection that stays open over several requests."""
        connection = http.client.HTTPConnection(HOST, timeout=PATIENCE)
        plain = socket.create_connection(self.place, timeout=PATIENCE)
        connection.sock = tls.wrap_socket(plain, server_hostname=HOST, session=session)
        return connection

    @property
    def egress_place(self) -> tuple[str, int] | Path:
        address = str(self.config["egress"]["addr"])
        return Path(address.removeprefix("unix://")) if address.startswith("unix:") else (self.address, 8080)

    def call_egress(self, method: str, target: str, **more: Any) -> Answer:
        return ask(self.egress_place, method, target, **more)

    def egress_connection(self) -> http.client.HTTPConnection:
        """One that stays open over several requests."""
        assert not isinstance(self.egress_place, Path)
        return http.client.HTTPConnection(*self.egress_place, timeout=PATIENCE)

    def served_serial(self) -> str:
        """Of the certificate that a new connection is shown, as hexadecimal digits."""
        with self.tls().wrap_socket(socket.create_connection(self.place, PATIENCE), server_hostname=HOST) as connection:
            shown = connection.getpeercert()
        assert shown is not None
        return str(shown["serialNumber"]).lower().lstrip("0")

    def raw(self, text: bytes, certificate: str | None = GATEWAY) -> bytes:
        """Bytes to the ingress, and what came back before it closed or fell silent."""
        context = self.tls(certificate)
        context.check_hostname = False
        return send_raw(self.place, text, context)

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    @property
    def heads(self) -> dict[str, Head]:
        """Where the chain of each of its writers ends, workers' and Envoy's."""
        folder = self.folder / "state" / "audit"
        return {head.writer: head for head in heads(folder / "chain", folder / "envoy-chain")}

    @property
    def audit(self) -> list[Json]:
        """The decisions."""
        return [record for record in lines(self.folder / "audit.jsonl") if record["event"] == "access"]

    @property
    def audit_gaps(self) -> list[Json]:
        return [record for record in lines(self.folder / "audit.jsonl") if record["event"] == "audit_gap"]

    def audit_tail(self, size: int = 32768) -> list[Json]:
        """The newest records, of a file that may be long."""
        with (self.folder / "audit.jsonl").open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - size))
            text = file.read()
        return [json.loads(line) for line in text.splitlines(keepends=True)[1:] if line.endswith(b"\n")]

    def tree(self) -> list[psutil.Process]:
        """Every process of the sidecar, itself first."""
        assert self.process is not None
        root = psutil.Process(self.process.pid)
        return [root, *root.children(recursive=True)]

    def envoy(self) -> psutil.Process:
        return next(process for process in self.tree()[0].children() if process.name().startswith("envoy"))

    def forkserver(self) -> psutil.Process:
        envoy = self.envoy()
        return next(process for process in self.tree()[0].children() if process != envoy)

    def workers(self) -> list[psutil.Process]:
        return self.forkserver().children()

    def _state(self) -> str:
        return f"{self.readyz()}\n{self.log[-4000:]}"


def ask_again(connection: http.client.HTTPConnection, token: str) -> tuple[int, str]:
    """One more request on an open connection: status, and the reason of a refusal."""
    connection.request("GET", "/orders/1", headers={"authorization": f"Bearer {token}"})
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read()).get("reason", "")


def replace(path: Path, text: str) -> None:
    """By rename, as careful people do."""
    fresh = path.with_name(f".{path.name}.fresh")
    fresh.write_text(text)
    fresh.rename(path)
