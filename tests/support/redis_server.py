"""A real Redis for tests: its own process on a free port, which tests may kill, stop and start again."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

from tests.support.patience import PATIENCE
from tests.support.ports import free_port

PASSWORD = "tests-only-password"


class RedisServer:
    """Nothing is kept on disk: after `kill` and `start` it is empty."""

    def __init__(self, folder: Path) -> None:
        assert shutil.which("redis-server"), "these tests need redis-server: install the package redis-server"
        self._folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://:{PASSWORD}@127.0.0.1:{self.port}/0"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        options = {"port": self.port, "bind": "127.0.0.1", "requirepass": PASSWORD, "save": "", "dir": self._folder}
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        with (self._folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(["redis-server", *words], stdout=log, stderr=log)
        end = time.monotonic() + PATIENCE
        while self.said("PING") != "+PONG":
            assert time.monotonic() < end, (self._folder / "redis.log").read_text()
            time.sleep(0.02)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def freeze(self) -> None:
        """It keeps its connections and says nothing more."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def said(self, command: str) -> str:
        """The first line of its answer, in its protocol; "" when it is not there."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(f"AUTH {PASSWORD}\r\n{command}\r\n".encode())
                answers = connection.makefile("rb")
                answers.readline()
                return answers.readline().decode().rstrip("\r\n")
        except OSError:
            return ""
