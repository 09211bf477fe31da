"""A real Envoy on what we render: files written as the control plane does, the binary started and ended."""

import os
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.patience import PATIENCE

from authz_service.config.model import Address, Config
from authz_service.envoy.binary import find_envoy
from authz_service.envoy.listeners import has_egress, has_ingress
from authz_service.envoy.paths import StatePaths
from authz_service.envoy.resources import Resources, render
from authz_service.parent_death import bound_to_us


def write_atomically(path: Path, text: str) -> None:
    """By rename: Envoy notices nothing else."""
    fresh = path.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_text(text)
    fresh.rename(path)


class RealEnvoy:
    """`secrets` are SDS files by secret name; every name that the resources expect must be there."""

    def __init__(self, config: Config, state_dir: Path, secrets: dict[str, str]) -> None:
        self.config = config
        self.paths = StatePaths(state_dir)
        for folder in (self.paths.xds, self.paths.sds, self.paths.run):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.resources: Resources = render(config, self.paths)
        assert set(secrets) == set(self.resources.secrets)
        for name, text in secrets.items():
            self.write_secret(name, text)
        for name, text in self.resources.files().items():
            write_atomically(self.paths.root / name, text)
        self._log = self.paths.root / "envoy.log"
        self.process: subprocess.Popen[bytes] | None = None

    def write_secret(self, name: str, text: str) -> None:
        write_atomically(self.paths.secret(name), text)

    def change_secret(self, name: str, text: str) -> None:
        """Other content than before, and Envoy has taken it."""
        before, deadline = self._updates(name), time.monotonic() + PATIENCE
        self.write_secret(name, text)
        while self._updates(name) == before:
            assert time.monotonic() < deadline, self.log
            time.sleep(0.01)
        time.sleep(0.02)  # from Envoy's main thread to its workers

    def _updates(self, name: str) -> str:
        return (
            self.admin(f"/stats?filter=sds.{name}.update_success").rpartition(f"{name}.update_success: ")[2].split()[0]
        )

    @property
    def log(self) -> str:
        return self._log.read_text()

    def __enter__(self) -> Self:
        command = [
            str(find_envoy(os.environ)),
            *("-c", str(self.paths.bootstrap)),
            *("--concurrency", "1", "--disable-hot-restart", "--reject-unknown-dynamic-fields"),
            *("--drain-time-s", "5", "--drain-strategy", "immediate", "--file-flush-interval-msec", "50", "-l", "warn"),
        ]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(bound_to_us(command), stdout=log, stderr=subprocess.STDOUT)
        try:
            self._wait_until_it_listens()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def admin(self, path: str) -> str:
        """GET on the admin socket."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE)
            connection.connect(str(self.paths.admin_socket))
            connection.sendall(f"GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n".encode())
            received = b""
            while piece := connection.recv(65536):
                received += piece
        return received.decode()

    def _wait_until_it_listens(self) -> None:
        doors = [self.config.http.addr] if has_ingress(self.config) else []
        egress = self.config.egress.addr
        doors += [egress] if has_egress(self.config) and isinstance(egress, Address) else []
        deadline = time.monotonic() + PATIENCE
        for door in doors:
            while not _accepts(door.host, door.port):
                assert self.process is not None
                assert self.process.poll() is None, self.log
                assert time.monotonic() < deadline, self.log
                time.sleep(0.02)


def _accepts(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=PATIENCE).close()
    except ConnectionRefusedError:
        return False
    return True
