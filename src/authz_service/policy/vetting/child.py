"""The process that tries policies out and may die of it. Started by `vet`, which reads what it says."""

import resource
import signal
import sys
from collections.abc import Sequence

import msgspec

from authz_rego.at_hand import bring_everything
from authz_service.errors import Problem
from authz_service.policy.vetting.checks import problems_of
from authz_service.policy.vetting.vet import CPU_SECONDS, MEMORY_BYTES, VettingLine, VettingRequest
from authz_service.walls.raising import around_worker, leave_root


def main() -> None:
    for limit, value in (
        (resource.RLIMIT_DATA, MEMORY_BYTES),
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (value, value))
    request = msgspec.json.decode(sys.stdin.buffer.read(), type=VettingRequest)
    bring_everything()
    leave_root()
    around_worker()
    problems: Sequence[Problem] = problems_of(request.source, request.samples, _announce, request.budget)
    signal.setitimer(signal.ITIMER_PROF, 0)
    _say(VettingLine(problems=tuple(problems)))


def _announce(doing: str, seconds: float) -> None:
    """From here on the clock runs; its signal ends this process, as nothing else ends an evaluation (T10)."""
    _say(VettingLine(doing=doing, seconds=seconds))
    signal.setitimer(signal.ITIMER_PROF, seconds)


def _say(line: VettingLine) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(line) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
