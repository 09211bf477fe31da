"""Sidecars with real Python servers as the service: what they make of a request, beside what the gate decided.

with stands(live, KINDS) as found:
    for stand in found:
        ... attack stand.sidecar ...
        failures = stand.undecided()
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.support.live import Json, Live, lines, short_name
from tests.support.lone_sidecar import LoneSidecar, until

from authz_devkit.demo.mesh import REPOSITORY
from authz_service import headers
from authz_service.parent_death import bound_to_us

KINDS = ("uvicorn", "gunicorn", "hypercorn", "aiohttp")
_APPS = "tests.support.logging_apps"
_PORT = 9100
_POLICY = """
package lone

import rego.v1

default allow := false

allow if input.request.segments[0] == "orders"

result := {"allow": allow, "audit": {"path": input.request.path, "segments": input.request.segments}}
"""


class Stand:
    """One sidecar and the server behind it. The policy guards: only what is below /orders may pass."""

    def __init__(self, kind: str, sidecar: LoneSidecar, log_file: Path) -> None:
        self.kind, self.sidecar, self._log_file = kind, sidecar, log_file

    @property
    def seen(self) -> list[Json]:
        """Every request that the server handed to the application."""
        return lines(self._log_file)

    def settle(self) -> None:
        """Wait until nothing more arrives."""
        size = -1
        while size != (size := self._size()):
            time.sleep(0.3)

    def undecided(self) -> list[str]:
        """Requests at the application without an allow of their own: same id, method and path, each used once."""
        allowed = Counter(_key(record) for record in self.sidecar.audit if record["decision"] == "allow")
        found = []
        for request in self.seen:
            key = (_correlation_id(request), request["method"], request["target"])
            allowed[key] -= 1
            if allowed[key] < 0:
                found.append(f"{self.kind}: undecided: {request['method']} {request['target'][:80]!r}")
        return found

    def _size(self) -> int:
        return self._log_file.stat().st_size if self._log_file.exists() else 0


def _key(record: Json) -> tuple[str, str, str]:
    return record["correlation_id"], record["method"], record["path"]


def _correlation_id(request: Json) -> str:
    """Several of them are none."""
    found = [value for name, value in request["headers"] if name.lower().replace("_", "-") == headers.CORRELATION_ID]
    return found[0] if len(found) == 1 else f"{len(found)} ids"


@contextlib.contextmanager
def stands(live: Live, kinds: Sequence[str], changes: Json | None = None) -> Iterator[list[Stand]]:
    """All of them ready; gone at the end."""
    with contextlib.ExitStack() as stack:
        yield [_stand(live, kind, changes or {}, stack) for kind in kinds]


def _stand(live: Live, kind: str, changes: Json, stack: contextlib.ExitStack) -> Stand:
    address = live.free_address()
    log_file = live.mesh.folder / f"{kind}-{short_name(address)}.jsonl"
    environment = {**os.environ, "REQUEST_LOG": str(log_file), "PYTHONPATH": str(REPOSITORY)}
    with (live.mesh.folder / f"{kind}-{short_name(address)}.log").open("ab") as log:
        process = subprocess.Popen(
            bound_to_us([sys.executable, "-m", *_command(kind, address)]),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            cwd=REPOSITORY,
            start_new_session=True,
        )
    stack.callback(_end, process)
    upstream = {"proxy.upstream": f"http://{address}:{_PORT}", "http.tls.client_auth": "request"}
    upstream["proxy.mtls.allow_anonymous"] = "true"
    sidecar = stack.enter_context(LoneSidecar(live, {**upstream, **changes}, policy=_POLICY))
    until(lambda: _listens(address))
    return Stand(kind, sidecar, log_file)


def _command(kind: str, address: str) -> list[str]:
    place = f"{address}:{_PORT}"
    return {
        "uvicorn": ["uvicorn", f"{_APPS}:asgi", "--host", address, "--port", str(_PORT), "--log-level", "warning"],
        "hypercorn": ["hypercorn", f"{_APPS}:asgi", "--bind", place],
        "gunicorn": ["gunicorn", f"{_APPS}:wsgi", "--bind", place, "--threads", "8", "--graceful-timeout", "1"],
        "aiohttp": ["aiohttp.web", "--hostname", address, "--port", str(_PORT), f"{_APPS}:aiohttp_app"],
    }[kind]


def _listens(address: str) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((address, _PORT), timeout=1):
        return True
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
