"""One real sidecar with no mesh around it: an egress, its provider and its target in this process, in our hands."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.faulty_server import FaultyServer
from tests.support.lone_sidecar import replace, until
from tests.support.neighbours import Answer, ask
from tests.support.patience import PATIENCE
from tests.support.ports import free_port

Json = dict[str, Any]


class LoneEgress:
    """`/a/**` goes to the target, with a token of the provider's `/token`. `changes` replace whole sections.

    Nothing is started before it is entered, and then it is not waited for: `wait_ready` does.
    """

    def __init__(
        self,
        folder: Path,
        auth: Mapping[str, object],
        changes: Mapping[str, object] | None = None,
        *,
        idp: FaultyServer | None = None,
    ) -> None:
        self.idp, self.target = idp or FaultyServer(), FaultyServer()
        self.folder, self._auth, self._changes = folder, auth, changes or {}
        self.door, self.admin = ("127.0.0.1", free_port()), ("127.0.0.1", free_port())
        self.process: subprocess.Popen[bytes] | None = None
        self.log_file = folder / "log"
        self.config_file = folder / "etc" / "config.yaml"  # its folder is watched, and the log would be news in it
        self.config_file.parent.mkdir(exist_ok=True)
        self.environment: dict[str, str] = {}

    def __enter__(self) -> Self:
        self.idp.__enter__()
        self.target.__enter__()
        config = self.config_file
        replace(config, json.dumps(self.config()))
        launcher = [sys.executable, "-m", "authz_service.parent_death", str(os.getpid())]
        with self.log_file.open("wb") as log:
            command = [*launcher, sys.executable, "-m", "authz_service.cli.main", "run", "--config", str(config)]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **self.environment})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self.process is not None
        self.process.terminate()
        self.process.wait(PATIENCE)
        self.target.__exit__(kind, error, trace)
        self.idp.__exit__(kind, error, trace)

    def config(self) -> Json:
        auth = {"type": "oauth2_client_credentials", "token_url": self.idp.url("/token"), "client_id": "x"}
        target = {"url": self.target.url("").rstrip("/"), "auth": {**auth, **self._auth}}
        return {
            "service": {"name": "orders"},
            "admin": {"addr": f"127.0.0.1:{self.admin[1]}"},
            "egress": {
                "addr": f"127.0.0.1:{self.door[1]}",
                "targets": {"a": target},
                "routes": [{"path_prefix": "/a", "target": "a", "strip_prefix": "/a"}],
            },
            "runtime": {"state_dir": str(self.folder / "state"), "drain": "1s"},
            **self._changes,
        }

    def wait_ready(self) -> None:
        until(lambda: self.readyz()["ready"], state=self.log_file.read_text)

    def readyz(self) -> Json:
        try:
            found: Json = json.loads(ask(self.admin, "GET", "/readyz").body)
        except ConnectionRefusedError:
            return {"ready": False, "missing": ["nobody listens"], "degraded": []}
        return found

    def wait_open(self) -> None:
        """The door; what lies behind it need not be there."""

        def is_open() -> bool:
            with contextlib.suppress(ConnectionRefusedError):
                socket.create_connection(self.door, PATIENCE).close()
                return True
            return False

        until(is_open, state=self.log_file.read_text)

    def call(self, method: str = "GET", target: str = "/a/x") -> Answer:
        return ask(self.door, method, target)

    def metric(self, name: str) -> float:
        """The present value of one line of /metrics, labels and all; 0 when it is not there."""
        lines = ask(self.admin, "GET", "/metrics").body.decode().splitlines()
        return next((float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f"{name} ")), 0.0)

    def events(self, name: str) -> list[Json]:
        lines = [line for line in self.log_file.read_text().splitlines() if line.startswith("{")]
        return [found for found in map(json.loads, lines) if found["event"] == name]
