"""What processes cost: processor time and memory, as Linux counts them. Not which processes to ask about."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import psutil


class Sidecar(NamedTuple):
    """The processes of one running `authz run`."""

    control_plane: int
    envoy: int
    forkserver: int
    workers: tuple[int, ...]

    @property
    def all(self) -> tuple[int, ...]:
        return (self.control_plane, self.envoy, self.forkserver, *self.workers)


def find_sidecar(control_plane: int) -> Sidecar:
    children = psutil.Process(control_plane).children()
    forkserver = next(child for child in children if "authz_service.decision_worker.forkserver" in child.cmdline())
    envoy = next(child for child in children if "--concurrency" in child.cmdline())
    return Sidecar(control_plane, envoy.pid, forkserver.pid, tuple(child.pid for child in forkserver.children()))


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time until now, from /proc/<pid>/stat; steps of 10 ms."""
    times = [psutil.Process(pid).cpu_times() for pid in pids]
    return sum(time.user + time.system for time in times)


class Memory(NamedTuple):
    """Bytes of some processes together, each page counted once, as if nothing else ran on the machine."""

    own: dict[int, int]  # by process: heap, stacks, written data; a page shared after a fork counts in parts (PSS)
    files: int  # programs and libraries, mapped by at least one of them

    @property
    def total(self) -> int:
        return sum(self.own.values()) + self.files


def memory(pids: Iterable[int]) -> Memory:
    """PSS, but for files: there the kernel divides by all who map it, and a bench has too many of those."""
    own: dict[int, int] = {}
    files: defaultdict[str, int] = defaultdict(int)
    for pid in pids:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        own[pid] = sum(_kilobytes(line) for line in rollup.splitlines() if line.startswith(("Pss_Anon", "Pss_Shmem")))
        for path, size in mapped_files(Path(f"/proc/{pid}/smaps").read_text()).items():
            files[path] = max(files[path], size)
    return Memory({pid: size * 1024 for pid, size in own.items()}, sum(files.values()) * 1024)


def mapped_files(smaps: str) -> Counter[str]:
    """By file: kilobytes of it in memory that are not written to (proc(5), /proc/pid/smaps)."""
    found: Counter[str] = Counter()
    path = ""
    for line in smaps.splitlines():
        first, _, rest = line.partition(" ")
        if not first.endswith(":"):
            path = rest[rest.index("/") :] if "/" in rest else ""
        elif path and first == "Rss:":
            found[path] += _kilobytes(line)
        elif path and first == "Anonymous:":
            found[path] -= _kilobytes(line)
    return found


def _kilobytes(line: str) -> int:
    return int(line.split()[1])
