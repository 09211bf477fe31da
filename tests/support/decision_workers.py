"""The control plane's side of real workers: a control server, a forkserver, and what asks as Envoy does.

with_sidecar(folder, play): `await play(sidecar)` between start and end.
"""

import asyncio
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Self

import psutil
import pytest
from tests.support.client_certificates import certificate, in_envoys_form
from tests.support.decisions import keys, rules
from tests.support.patience import PATIENCE
from tests.support.tokens import an_rsa_signer, good_claims, mint

from authz_service import headers
from authz_service.control_plane.child_process import Child, clean_environment
from authz_service.control_plane.preflight.socket_path import close, listen_at
from authz_service.control_plane.workers.control_server import ControlServer
from authz_service.control_protocol import CountersDelta
from authz_service.domain.questions import Absent, Answer, Asked
from authz_service.domain.rules import GateRules

NOW = time.time()
WORKERS = 2
# Made when this is imported: they must outlive the whole run of all tests.
CERTIFICATE = in_envoys_form(certificate(valid=(NOW - 3600, NOW + 86_400))).decode()
ABSENT_FOR = 0.05  # seconds for which a key that nobody has is not asked for again
CLAIMS = good_claims(NOW, exp=int(NOW) + 86_400)
TOKEN = mint(CLAIMS)
LISTENER = headers.listener_tag(name for _, name in rules().headers.inject)


NEW_KEY = an_rsa_signer()._replace(kid="new")


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short enough for a socket's name (unix(7))."""
    with tempfile.TemporaryDirectory(prefix="workers-", dir="/tmp") as name:
        yield Path(name)


class Sidecar:
    """The control plane's side: a control server, a forkserver with its workers, and an Envoy of our own making."""

    def __init__(self, folder: Path, workers: int = WORKERS) -> None:
        self.workers = workers
        self.folder = folder
        self.audit = folder / "audit.jsonl"
        self.figures: Counter[str] = Counter()
        self.fetch: Callable[[], Awaitable[None]] = _nothing
        self.asked: list[Asked] = []
        self.control_server = ControlServer(folder / "control.sock", self._count, self._answer)
        self.log = folder / "forkserver.log"
        self._sockets = [listen_at(self.socket(slot)) for slot in range(workers)]
        inherited = [each.fileno() for each in self._sockets]
        self.forkserver = Child(
            "forkserver", forkserver_command(folder, inherited), clean_environment(), descriptors=inherited
        )

    async def __aenter__(self) -> Self:
        await self.control_server.start()
        standard_error = os.dup(2)
        with self.log.open("w") as log:  # the workers inherit it
            os.dup2(log.fileno(), 2)
            try:
                await self.forkserver.start()
            finally:
                os.dup2(standard_error, 2)
                os.close(standard_error)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.forkserver.end(PATIENCE)
        self.control_server.stop()
        close(self._sockets)

    def rules(self, **changes: object) -> GateRules:
        return rules(**{"audit_path": str(self.audit), **changes})

    async def use(self, given: GateRules) -> None:
        """Send the rules and wait until every worker decides by them."""
        self.control_server.set_rules(given)
        await until(lambda: self.control_server.active(given.revision) == self.workers)

    async def start(self, **changes: object) -> None:
        self.control_server.set_keys(keys())
        await self.use(self.rules(**changes))

    def socket(self, slot: int) -> Path:
        return self.folder / f"worker-{slot}.sock"

    async def ask(self, slot: int, **changes: str) -> tuple[int, str]:
        """The status and the reason, on a connection of its own. (0, "") when the worker says nothing."""
        try:
            async with Connection(self.socket(slot)) as connection:
                return await connection.ask(**changes)
        except (OSError, asyncio.IncompleteReadError):
            return 0, ""

    def pids(self) -> dict[int, int]:
        """Slot -> pid, of the workers that are connected."""
        return {worker.slot: worker.pid for worker in self.control_server._workers.values()}

    def records(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.audit.read_text().splitlines()]

    def events(self) -> list[str]:
        """What the forkserver and the workers have logged."""
        return [json.loads(line)["event"] for line in self.log.read_text().splitlines()]

    def _count(self, figures: CountersDelta) -> None:
        self.figures.update(figures.decisions)

    async def _answer(self, question: Asked) -> Answer:
        self.asked.append(question)
        await self.fetch()
        return Absent(holds=ABSENT_FOR)


class Connection:
    """One keep-alive connection to a worker."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_unix_connection(str(self._path))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()

    async def ask(
        self, path: str = "/orders", method: str = "POST", token: str = TOKEN, correlation_id: str = "c-1"
    ) -> tuple[int, str]:
        """Status and reason of the answer."""
        self._writer.write(question(path, method, token, correlation_id))
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
        fields = dict(line.split(": ", 1) for line in head.lower().split("\r\n")[1:-2])
        body = b"" if method == "HEAD" else await self._reader.readexactly(int(fields["content-length"]))
        return int(head.split()[1]), json.loads(body)["reason"] if body else ""


def question(path: str, method: str = "POST", token: str = TOKEN, correlation_id: str = "c-1") -> bytes:
    """As Envoy writes it."""
    lines = [
        f"{method} {headers.CHECK_PATH}{LISTENER}{path} HTTP/1.1",
        "host: order-service.zone2.local",
        "content-length: 0",
        f"{headers.AUTHORIZATION}: Bearer {token}",
        f"{headers.PEER_CERT}: {CERTIFICATE}",
        f"{headers.CORRELATION_ID}: {correlation_id}",
        f"{headers.REMOTE}: 127.0.0.1",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def forkserver_command(folder: Path, sockets: Sequence[int]) -> list[str]:
    return [
        sys.executable, "-m", "authz_service.decision_worker.forkserver",
        "--parent", str(os.getpid()),
        "--service", "order-service",
        "--control-socket", str(folder / "control.sock"),
        "--handover-socket", str(folder / "handover.sock"),
        "--decision-sockets", *map(str, sockets),
    ]  # fmt: skip


async def until(condition: Callable[[], bool], patience: float = PATIENCE) -> float:
    """Wait for it; how long it took."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < patience, "it did not happen"
        await asyncio.sleep(0.01)
    return time.monotonic() - started


def is_alive(pid: int) -> bool:
    """A zombie is not: who should have reaped it may be somebody else's process."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def _nothing() -> None: ...


def with_sidecar(folder: Path, play: Callable[[Sidecar], Awaitable[None]], workers: int = WORKERS) -> None:
    async def run() -> None:
        async with Sidecar(folder, workers) as sidecar:
            await play(sidecar)

    asyncio.run(run())
