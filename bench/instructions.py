"""What each part of our rendering costs Envoy, in instructions per request, however busy the machine. Not in time.

    python -m bench.instructions [WORD]

A row is the order service's rendering with one part taken out, run by callgrind (valgrind): what Envoy executes itself,
not what the kernel does for it. The gate is a stand-in that allows everything, so that any question will do.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, cast

from authz_devkit.demo.mesh import MeshError
from authz_service.envoy.messages import Message
from authz_service.envoy.paths import StatePaths
from authz_service.envoy.resources import Resources, render
from bench.bare import ASKS, INJECTS, WATCHES, without
from bench.load import BenchError
from bench.stage import DATA, GATEWAY, ORDER, Stage

_REQUESTS, _CONNECTIONS = 300, 4
_AGREE, _TRIES = 0.02, 6  # two counts in a row that differ by no more
_CORRELATION = ("make_correlation_id", "envoy.filters.http.header_mutation")
_QUESTION = ("allowed_headers", "validate_mutations")
_EXCHANGE = ("retry_policy", "authorization_request", "authorization_response")
_TOTALS = re.compile(r"^totals: (\d+)", re.MULTILINE)
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
_TOKEN = b"eyJhbGciOiJSUzI1NiJ9." * 57  # as long as one of the example's, and nobody looks at it
_ALLOW = (
    b"HTTP/1.1 200 OK\r\nx-user-id: u\r\nx-original-user: u\r\n"
    b"x-envoy-auth-headers-to-remove: authorization\r\ncontent-length: 0\r\n\r\n"
)


class Row(NamedTuple):
    name: str
    change: Callable[[Resources], Resources]


ROWS = (
    Row("ingress", lambda ours: ours),
    Row("ingress, nobody is asked", lambda ours: without(ours, ASKS, *WATCHES)),
    Row("ingress, asked in the leanest form", lambda ours: asking(ours, (*_QUESTION, *_EXCHANGE))),
    Row("ingress, asked without retries", lambda ours: asking(ours, ("retry_policy",))),
    Row("ingress, requests in progress are not watched", lambda ours: without(ours, *WATCHES)),
    Row("ingress, no correlation id", lambda ours: without(ours, *_CORRELATION)),
    Row("egress", lambda ours: ours),
    Row("egress, no token", lambda ours: without(ours, INJECTS)),
    Row("egress, no correlation id", lambda ours: without(ours, *_CORRELATION)),
)


def asking(resources: Resources, left_out: tuple[str, ...]) -> Resources:
    """The filter that asks, without these of its settings."""

    def leaner(value: object) -> object:
        if isinstance(value, list):
            return [leaner(item) for item in value]
        if not isinstance(value, dict):
            return value
        if value.get("name") != ASKS:
            return {key: leaner(item) for key, item in value.items()}
        settings = {key: item for key, item in value["typed_config"].items() if key not in left_out}
        exchange = {key: item for key, item in settings["http_service"].items() if key not in left_out}
        return {**value, "typed_config": {**settings, "http_service": exchange}}

    listeners = tuple(cast("Message", leaner(json.loads(json.dumps(listener)))) for listener in resources.listeners)
    return replace(resources, listeners=listeners)


def require_valgrind() -> str:
    found = shutil.which("valgrind")
    if found is None:
        raise BenchError("instructions are counted by callgrind, which is not there: apt-get install valgrind")
    return found


def read_total(text: str) -> int:
    """The instructions of one of callgrind's files. Raises BenchError when it has none."""
    found = _TOTALS.search(text)
    if found is None:
        raise BenchError("callgrind has counted nothing")
    return int(found[1])


async def count(stage: Stage, row: Row, gate: Path) -> float:
    """Instructions per request."""
    paths = StatePaths(stage.live.folder / "state" / "counted")
    shutil.rmtree(paths.root, ignore_errors=True)
    resources = row.change(render(stage.config(ORDER, stage.bare, {}), paths))
    clusters = json.dumps(list(resources.clusters)).replace(str(paths.run), str(gate))
    file = stage.live.folder / "callgrind"
    tool = (require_valgrind(), "--tool=callgrind", "--instr-atstart=no", "--quiet", f"--callgrind-out-file={file}")
    await stage.start_rendered(
        "counted", ORDER, stage.bare, replace(resources, clusters=json.loads(clusters)), paths, tool
    )
    process = stage.live.processes["counted"]
    try:
        return await _until_two_agree(stage, row, file)
    finally:
        process.terminate()
        await process.wait()


async def _until_two_agree(stage: Stage, row: Row, file: Path) -> float:
    pid = str(stage.pid("counted"))
    await _ask(stage, row, 20)
    await _control("-i", "on", pid)
    await _ask(stage, row, 60)
    last = 0.0
    for _ in range(_TRIES):
        for old in file.parent.glob(f"{file.name}.*"):
            old.unlink()
        await _control("-z", pid)
        await _ask(stage, row, _REQUESTS)
        await _control("-d", pid)
        found = sum(read_total(each.read_text(errors="replace")) for each in file.parent.glob(f"{file.name}.*"))
        if abs(found - last) <= _AGREE * found:
            return found / _REQUESTS
        last = found
    raise BenchError(f"{row.name}: no two counts agree")


async def _control(*arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(
        "callgrind_control", *arguments, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    if await process.wait():
        raise BenchError(f"callgrind_control {' '.join(arguments)} failed")


async def _ask(stage: Stage, row: Row, requests: int) -> None:
    """So many requests by a few callers, each of which waits for its answer."""
    url, head = stage.caller_url(stage.bare), b"GET /orders/7 HTTP/1.1\r\nHost: order-service.zone2.local\r\n"
    host, port = url.removeprefix("http://").split(":")
    if row.name.startswith("egress"):
        host, port = stage.bare.address(ORDER), "8080"
        head = b"GET /data/inventory/7 HTTP/1.1\r\nHost: localhost:8080\r\n"
    else:
        head += b"Authorization: Bearer " + _TOKEN + b"\r\n"

    async def caller() -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        for _ in range(requests // _CONNECTIONS):
            writer.write(head + b"\r\n")
            answer = await reader.readuntil(b"\r\n\r\n")
            length = _LENGTH.search(answer)
            if not answer.startswith(b"HTTP/1.1 200") or length is None:
                raise BenchError(f"{row.name}: {answer.decode()}")
            await reader.readexactly(int(length[1]))
        writer.close()

    await asyncio.gather(*(caller() for _ in range(_CONNECTIONS)))


async def _allow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The gate's stand-in."""
    try:
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(_ALLOW)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main() -> None:
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    require_valgrind()
    stage = Stage()
    gate = stage.live.folder / "gate"
    gate.mkdir()
    try:
        await stage.start_identity_provider()
        for pod in (GATEWAY, ORDER, DATA):  # for their certificates and tokens
            await stage.start_sidecar(pod)
        await stage.start_neighbours()
        await stage.start_bare(DATA, stage.bare, {}, ASKS, *WATCHES)
        servers = [await asyncio.start_unix_server(_allow, gate / f"worker-{number}.sock") for number in (0, 1)]
        for row in ROWS:
            if word in row.name:
                print(f"{row.name:36} {await count(stage, row, gate):9,.0f} instructions/request", flush=True)
        for server in servers:
            server.close()
    finally:
        await stage.stop()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except (BenchError, MeshError) as error:
        sys.exit(f"bench: {error}")
