"""Load from `wrk`: a closed loop of keep-alive connections. Not what is measured on the servers meanwhile."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path

import msgspec

_SCRIPT = Path(__file__).with_name("load.lua")
_MARK = "RESULT "


class BenchError(Exception):
    """The measurement cannot be made, or what it measured is not what it claims to be."""


class Load(msgspec.Struct, frozen=True):
    """What one run of `wrk` saw."""

    requests: int
    seconds: float
    refused: int  # answers above 399
    broken: int  # connections and timeouts
    p50_us: float
    p99_us: float

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


@dataclass(frozen=True, slots=True)
class Target:
    """Where the requests go and what they say."""

    url: str
    headers: tuple[str, ...] = ()
    tokens: Path | None = None  # one token for each request, in this order
    method: str = "GET"
    body: str = ""
    unlike: bool = False  # each request has another query
    pause: float = 0.0  # seconds that a connection waits before each request


def require_wrk() -> str:
    found = shutil.which("wrk")
    if found is None:
        raise BenchError(
            "`make bench` makes its load with wrk, which is not there: apt-get install wrk (or brew, dnf, …)"
        )
    return found


async def run_load(target: Target, *, seconds: float, connections: int, first: int = 0) -> Load:
    """Raises BenchError unless every request was answered with success: a refusal is cheaper than an answer.

    `first`: at which token, or other query, to begin.
    """
    command = [require_wrk(), "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "-s", str(_SCRIPT)]
    for header in target.headers:
        command += ["-H", header]
    begins_at = str(first) if target.tokens is not None or target.unlike else ""
    command += [target.url, "--", target.method, target.body, str(round(target.pause * 1000)), begins_at]
    if target.tokens is not None:
        command.append(str(target.tokens))
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        output, _ = await process.communicate()
    except BaseException:
        process.kill()
        raise
    load = read_result(output.decode())
    if load.refused or load.broken or not load.requests:
        raise BenchError(f"{target.url}: {load.refused} refused and {load.broken} broken of {load.requests} requests")
    return load


def read_result(output: str) -> Load:
    """The line that load.lua prints. Raises BenchError when there is none."""
    for line in output.splitlines():
        if line.startswith(_MARK):
            return msgspec.json.decode(line.removeprefix(_MARK), type=Load)
    raise BenchError(f"wrk gave no result: {output[-500:]}")
