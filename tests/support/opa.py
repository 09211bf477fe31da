"""The real OPA, as `make opa` built it: a server to ask, and its command line to judge policies.

with OpaServer([folder]) as opa:
    opa.ask("data.order.allow", document)   # its answer, or UNDEFINED
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.patience import PATIENCE
from tests.support.ports import free_port

from authz_service.parent_death import bound_to_us

ROOT = Path(__file__).parents[2]
VERSION = (ROOT / "tests" / "real" / "opa" / "VERSION").read_text().strip()
UNDEFINED = object()


def binary() -> Path:
    """AUTHZ_OPA_BIN, or the one that `make opa` built. A missing one is an error, never a skipped test."""
    found = Path(os.environ.get("AUTHZ_OPA_BIN") or ROOT / ".real" / "opa" / VERSION / "opa")
    if not found.is_file():
        raise FileNotFoundError(f"{found}: run `make opa`, or set AUTHZ_OPA_BIN")
    return found


def run(*arguments: str, timeout: float = PATIENCE) -> subprocess.CompletedProcess[str]:
    """One call of its command line."""
    return subprocess.run([binary(), *arguments], capture_output=True, text=True, timeout=timeout, check=False)


def module_folder() -> Path:
    """OPA's source, as Go has it: with the conformance cases of the very version that was built."""
    module = f"github.com/open-policy-agent/opa@{VERSION}"
    told = subprocess.run(["go", "mod", "download", "-json", module], capture_output=True, text=True, check=True)
    return Path(json.loads(told.stdout)["Dir"])


class OpaServer:
    """Serves policies and data on a Unix socket, or on a loopback port; ended with the `with`, or with our life."""

    def __init__(
        self,
        load: Sequence[Path | str],
        *,
        tcp: bool = False,
        more: Sequence[str] = (),
        output: Path | None = None,
        log_level: str = "error",
    ) -> None:
        """`output`: where its log goes, our own standard error without it."""
        self._output = output
        self._folder = tempfile.TemporaryDirectory(prefix="opa-")
        self.socket = Path(self._folder.name) / "opa.sock"
        self.port = free_port() if tcp else 0
        self.url = f"http://127.0.0.1:{self.port}" if tcp else f"unix://{self.socket}"
        self._command = [
            *bound_to_us([str(binary())]), "run", "--server", "--skip-version-check", "--log-level", log_level,
            "--addr", f"127.0.0.1:{self.port}" if tcp else self.url, *more, *map(str, load),
        ]  # fmt: skip
        self.process: subprocess.Popen[bytes] | None = None
        self._connection: http.client.HTTPConnection | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._folder.cleanup()

    def start(self) -> None:
        self.socket.unlink(missing_ok=True)
        if self._output is None:
            self.process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL)
        else:
            with self._output.open("ab") as log:
                self.process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + PATIENCE
        while not self.healthy():
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError("OPA does not start")
            time.sleep(0.02)

    def stop(self) -> None:
        self._hang_up()
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def healthy(self) -> bool:
        try:
            status, _ = self._send("GET", "/health", b"")
        except (OSError, http.client.HTTPException):
            self._hang_up()
            return False
        return status == http.HTTPStatus.OK

    def ask(self, query: str, document: Mapping[str, Any] | str) -> Any:
        """The value of the rule for this input, or UNDEFINED. Raises RuntimeError with OPA's own words."""
        text = document if isinstance(document, str) else json.dumps(document)
        path = "/v1/" + query.replace(".", "/")
        status, body = self._send("POST", path, b'{"input":' + text.encode() + b"}")
        if status != http.HTTPStatus.OK:
            raise RuntimeError(body.decode())
        return json.loads(body).get("result", UNDEFINED)

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _send(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        if self._connection is None:
            self._connection = (
                http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
                if self.port
                else _UnixConnection(self.socket)
            )
        self._connection.request(method, path, body, {"Content-Type": "application/json"})
        answer = self._connection.getresponse()
        return answer.status, answer.read()


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=PATIENCE)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)  # closed by close()
        self.sock.settimeout(PATIENCE)
        self.sock.connect(self._path)
