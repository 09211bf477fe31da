"""Refuses policies that would fail, hang or crash on a request, before any request meets them.

The checks (`policy_checks`) run in a process of their own (`vetting_child`), because some policies end the process that
evaluates them.
Blocks for as long as that takes: call it from a thread. Control plane only; says nothing about *who* is allowed.
"""

import signal
import subprocess
import sys
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from authz_service.domain.rules import PolicySource
from authz_service.domain.time_budget import EVALUATION
from authz_service.errors import PolicyProblems, Problem
from authz_service.policy.vetting.samples import Sample

MEMORY_BYTES = 512 << 20
CPU_SECONDS = 16
WALL_SECONDS = 30.0  # generous: on a busy machine a good policy must not be refused
_CHILD = (sys.executable, "-I", "-m", "authz_service.policy.vetting.child")


class VettingRequest(Struct, frozen=True):
    """What the child is to check."""

    source: PolicySource
    samples: tuple[Sample, ...]
    budget: float  # seconds of CPU time for one evaluation


class VettingLine(Struct, frozen=True, omit_defaults=True):
    """What the child says: what it is about to do, so that its death has a place; at the end, what it found."""

    doing: str = ""
    seconds: float = 0  # of CPU time that it may take
    problems: tuple[Problem, ...] | None = None


def check_policies(
    source: PolicySource,
    samples: Sequence[Sample] = (),
    *,
    budget: float = EVALUATION,
    child_command: Sequence[str] = _CHILD,
    seconds: float = WALL_SECONDS,
) -> None:
    """Raises PolicyProblems, all at once. `samples` are tried beside our own."""
    request = msgspec.json.encode(VettingRequest(source, tuple(samples), budget))
    try:
        child = subprocess.run(
            child_command,
            input=request,
            capture_output=True,
            env={},
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as expired:
        problems: Sequence[Problem] = [_death(source, expired.stdout or b"", f"is not checked after {seconds:g} s")]
    else:
        problems = _found(source, child)
    if problems:
        raise PolicyProblems(problems)


def _found(source: PolicySource, child: subprocess.CompletedProcess[bytes]) -> Sequence[Problem]:
    last = _last_line(child.stdout)
    if child.returncode == 0 and last.problems is not None:
        return last.problems
    return [_death(source, child.stdout, _cause(child, last))]


def _cause(child: subprocess.CompletedProcess[bytes], last: VettingLine) -> str:
    if b"MemoryError" in child.stderr:
        return f"needs more than {MEMORY_BYTES >> 20} MiB of memory"
    if child.returncode == -signal.SIGPROF:
        return f"takes more than {last.seconds * 1000:.0f} ms of CPU time"
    if child.returncode == -signal.SIGXCPU:
        return f"takes more than {CPU_SECONDS} s of CPU time to check"
    if child.returncode < 0:
        return f"crashes the interpreter ({signal.Signals(-child.returncode).name})"
    error = child.stderr.decode(errors="replace").strip().rpartition("\n")[2]
    return f"cannot be checked ({error[:200]})"


def _death(source: PolicySource, output: bytes, cause: str) -> Problem:
    doing = _last_line(output).doing or "start"
    fix = "simplify the policy there: a worker would meet the same"
    return Problem(source.query, f"the policy {cause}, at: {doing}", fix)


def _last_line(output: bytes) -> VettingLine:
    """The last whole line; the child's death may have cut the one after it."""
    line = output.rpartition(b"\n")[0].rpartition(b"\n")[2]
    return msgspec.json.decode(line, type=VettingLine) if line else VettingLine()
