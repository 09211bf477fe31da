"""A PostgreSQL server of our own, for the demo and the tests: fresh, on loopback, gone with whoever started it."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Self

_PATIENCE = 30.0  # seconds
_UNPRIVILEGED = 65534  # nobody: PostgreSQL refuses to run as root
# What we start gets this signal when the thread ends that started it. Of util-linux: PostgreSQL's user may read no
# Python of ours.
_BOUND_TO_US = ("setpriv", "--pdeathsig")


class PostgresError(Exception):
    """The server cannot be had; the text says what to do."""


class Postgres:
    """`with Postgres() as server: server.url`. `kill` and `start` are for those who want to see it fail."""

    def __init__(self) -> None:
        """Raises PostgresError when the programs are not there."""
        self._programs = _programs()
        self._stack = ExitStack()
        self._user = _UNPRIVILEGED if os.geteuid() == 0 else None
        self._process: subprocess.Popen[bytes] | None = None
        self.port = _free_port()

    @property
    def url(self) -> str:
        """For DATABASE_URL."""
        return f"postgresql+asyncpg://demo@127.0.0.1:{self.port}/postgres"

    def __enter__(self) -> Self:
        # Not below a folder of ours: the server's user could not get there.
        self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="authz-postgres-")))
        if self._user is not None:
            os.chown(self._folder, self._user, self._user)
        self._data = self._folder / "data"
        options = ("--username=demo", "--auth=trust", "--encoding=UTF8", "--locale=C")
        made = subprocess.run(
            [self._programs / "initdb", "-D", self._data, *options],
            capture_output=True, text=True, check=False, cwd=self._folder, user=self._user, group=self._user,
        )  # fmt: skip
        if made.returncode:
            self._stack.close()
            raise PostgresError(f"initdb failed: {made.stderr.strip()[-500:]}")
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end(signal.SIGINT)  # "fast": open connections are ended
        self._stack.close()

    def start(self) -> None:
        """Start it (again) and wait until it takes connections. Raises PostgresError."""
        options = {"listen_addresses": "127.0.0.1", "port": str(self.port), "unix_socket_directories": ""}
        words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*_BOUND_TO_US, "QUIT", self._programs / "postgres", "-D", self._data, *words],  # it stops at once
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self._folder, start_new_session=True,
                user=self._user, group=self._user,
            )  # fmt: skip
        ready: list[str | Path] = [self._programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        end = time.monotonic() + _PATIENCE
        while subprocess.run(ready, check=False).returncode:
            if self._process.poll() is not None or time.monotonic() > end:
                self._end(signal.SIGINT)
                raise PostgresError(f"PostgreSQL did not start: {(self._folder / 'server.log').read_text()[-500:]}")
            time.sleep(0.05)

    def kill(self) -> None:
        """As a power cut: every process of it at once, nothing is written any more."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        process = self._process
        if process is None or process.poll() is not None:
            return
        if number is signal.SIGKILL:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        process.wait(_PATIENCE)


def _programs() -> Path:
    """The folder of initdb, postgres and pg_isready: Debian keeps the servers' programs out of PATH."""
    folders = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name), reverse=True
    )
    found = shutil.which("initdb")
    for folder in [*folders, *([Path(found).parent] if found else [])]:
        if all((folder / name).exists() for name in ("initdb", "postgres", "pg_isready")):
            return folder
    raise PostgresError("PostgreSQL's server programs are not there: install the package postgresql (apt, dnf, brew)")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def main() -> None:
    """A fresh PostgreSQL for as long as COMMAND runs, which finds it in DATABASE_URL; without one, until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m authz_devkit.demo.postgres", description=main.__doc__)
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND …")
    command = parser.parse_args().command
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with Postgres() as server:
            sys.exit(_run(command, server.url))
    except PostgresError as error:
        sys.exit(f"postgres: {error}")


def _run(command: list[str], url: str) -> int:
    try:
        if not command:
            print(f"DATABASE_URL={url}", flush=True)
            signal.pause()
        with subprocess.Popen([*_BOUND_TO_US, "TERM", *command], env={**os.environ, "DATABASE_URL": url}) as process:
            try:
                return process.wait()
            except BaseException:
                process.send_signal(signal.SIGINT)  # the terminal's Ctrl-C has reached it as well
                process.wait(_PATIENCE)
                raise
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    main()
