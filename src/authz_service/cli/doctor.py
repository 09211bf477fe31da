"""`authz doctor`: what this host has for a sidecar, and what it lacks. Not a configuration."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from authz_service.cli.letters import shown
from authz_service.cli.terminal import Terminal
from authz_service.config.model import Config
from authz_service.config.sections.runtime import Runtime
from authz_service.control_plane.preflight.descriptors import shortage
from authz_service.control_plane.preflight.file_watches import require_watches
from authz_service.envoy.binary import envoy_version, find_envoy, version_warning
from authz_service.envoy.decision_cache import usable
from authz_service.errors import ConfigProblems, RenderError
from authz_service.walls.system_calls import ARCHITECTURES

GOOD, WILL_NOT_RUN, RUNS_WITH_LESS = 0, 1, 2
_MARKS = {GOOD: "[green]✓[/]", RUNS_WITH_LESS: "[yellow]![/]", WILL_NOT_RUN: "[red]✗[/]"}
_OLDEST_GLIBC = (2, 31)  # of Envoy's wheel, manylinux_2_31
_WATCHES = 10  # an ingress, one target, and ours: docs/operations.md#capacity
_MEMORY = 512 << 20  # Envoy's heap may have 256 MiB (resources.overload_manager), and there are four processes of ours
_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")  # version 2, version 1


_RAISE_WALLS = """
from authz_service.walls.raising import around_worker, leave_root
for missing in (*leave_root(), *around_worker()):
    print(missing)
"""


class Finding(NamedTuple):
    """One line: how it is, of what, in words, and where it is not good what to do."""

    code: int
    what: str
    told: str
    fix: str = ""


def examine(environment: Mapping[str, str]) -> int:
    """Print a line per part. GOOD, WILL_NOT_RUN, or RUNS_WITH_LESS."""
    console = Terminal()
    worst = GOOD
    console.print(shown(f"authz-service {version('authz-service')}, Python {platform.python_version()}"))
    for finding in _findings(environment):
        advice = f"; {finding.fix}" if finding.fix else ""
        console.print(f"{_MARKS[finding.code]} {shown(f'{finding.what}: {finding.told}{advice}')}")
        if finding.code != GOOD and worst != WILL_NOT_RUN:
            worst = finding.code
    says = {GOOD: "[green]a sidecar runs here[/]", RUNS_WITH_LESS: "[yellow]a sidecar runs here, with less[/]"}
    console.print(says.get(worst, "[red]a sidecar does not run here[/]"))
    return worst


def _findings(environment: Mapping[str, str]) -> Iterator[Finding]:
    uname, (library, release) = os.uname(), platform.libc_ver()
    yield system(uname.sysname, uname.release, uname.machine, f"{library} {release}".strip())
    yield envoy(environment)
    yield cache(environment)
    yield walls(_tried_in_a_child(_RAISE_WALLS))
    yield descriptors(resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    yield file_watches(require_watches)
    yield memory(_memory_limit())
    yield state_directory(Runtime().state_dir, os.access)


def system(name: str, release: str, machine: str, library: str) -> Finding:
    told = f"{name} {release}, {machine}, {library or 'a C library that does not say what it is'}"
    if name != "Linux":
        return Finding(WILL_NOT_RUN, "system", told, "Linux is needed: a virtual machine, or a container")
    if machine not in ARCHITECTURES:
        return Finding(WILL_NOT_RUN, "system", told, f"Envoy and the walls are there for {' and '.join(ARCHITECTURES)}")
    kind, _, number = library.partition(" ")
    if kind != "glibc" or tuple(int(part) for part in number.split(".") if part.isdigit()) < _OLDEST_GLIBC:
        oldest = ".".join(map(str, _OLDEST_GLIBC))
        fix = f"glibc {oldest} or newer is needed: Debian 11, Ubuntu 20.04, not Alpine"
        return Finding(WILL_NOT_RUN, "system", told, fix)
    return Finding(GOOD, "system", told)


def envoy(environment: Mapping[str, str]) -> Finding:
    try:
        binary = find_envoy(environment)
        found = envoy_version(binary)
    except RenderError as error:
        return Finding(WILL_NOT_RUN, "Envoy", str(error))
    warning = version_warning(found)
    return Finding(RUNS_WITH_LESS if warning else GOOD, "Envoy", warning or f"{found}, {binary}")


def cache(environment: Mapping[str, str]) -> Finding:
    """Envoy's decision cache: without it a worker is asked about each request."""
    try:
        found = usable(environment)
    except RenderError as error:
        return Finding(WILL_NOT_RUN, "decision cache", str(error))
    told = f"{found.words}, {found.library}" if found.library else found.words
    if found.is_missed:
        return Finding(RUNS_WITH_LESS, "decision cache", told, "workers repeat by themselves, at more processor time")
    return Finding(GOOD, "decision cache", told)


def walls(missing: list[str] | None) -> Finding:
    """`missing` None: the process that tried them was ended, or could not say it."""
    if missing is None:
        return Finding(WILL_NOT_RUN, "walls around decision workers", "a process that raises them is ended here")
    if missing:
        fix = "the others hold; with runtime.walls: required nothing is decided here"
        return Finding(RUNS_WITH_LESS, "walls around decision workers", ", ".join(missing), fix)
    return Finding(GOOD, "walls around decision workers", "all")


def descriptors(limit: int) -> Finding:
    """By the hard limit: the soft one is raised to it."""
    lacking = shortage(limit, Config.model_validate({"service": {"name": "doctor"}}))
    return Finding(RUNS_WITH_LESS if lacking else GOOD, "file descriptors", lacking or f"{limit} are allowed")


def file_watches(require: Callable[[int], None]) -> Finding:
    try:
        require(_WATCHES)
    except ConfigProblems as lacking:
        (problem,) = lacking.problems
        return Finding(WILL_NOT_RUN, "inotify", problem.found, problem.fix)
    return Finding(GOOD, "inotify", f"at least {_WATCHES} instances are free for this user: an ingress and a target")


def memory(limit: int | None) -> Finding:
    if limit is None:
        return Finding(GOOD, "memory", "not limited for this process")
    told = f"{limit >> 20} MiB are allowed"
    if limit < _MEMORY:
        return Finding(RUNS_WITH_LESS, "memory", told, f"{_MEMORY >> 20} MiB keep the kernel from ending it under load")
    return Finding(GOOD, "memory", told)


def state_directory(default: Path, may: Callable[[Path, int], bool]) -> Finding:
    """Where it is not named: whether it can be made."""
    there = next(folder for folder in (default, *default.parents) if folder.exists())
    if may(there, os.W_OK | os.X_OK):
        return Finding(GOOD, "state directory", f"{default} can be written")
    fix = "make it for this user (RuntimeDirectory= of systemd, a tmpfs), or name another in runtime.state_dir"
    return Finding(RUNS_WITH_LESS, "state directory", f"{default} cannot be written by uid {os.geteuid()}", fix)


def _tried_in_a_child(code: str) -> list[str] | None:
    """What it prints, of a process that lives no longer: a wall is for life. None when it was ended, or failed."""
    try:
        ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return None if ended.returncode else ended.stdout.splitlines()


def _memory_limit() -> int | None:
    """Of this container: its own control group is the root that it sees."""
    for name in _CGROUP_LIMITS:
        try:
            text = Path(name).read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text.isdigit() and int(text) < 1 << 60:  # version 1 writes a very large number for none
            return int(text)
    return None
