"""`python -m tests.differential`: our Rego and the real OPA, for some seconds; ends with 1 when anything differs."""

from __future__ import annotations

import argparse
import pickle
import random
import subprocess
import sys
import time
from pathlib import Path

from tests.differential.comparing import Difference, Tally
from tests.differential.judge import Judge, binary
from tests.differential.reporting import report
from tests.differential.runs import Run
from tests.differential.shrinking import Shrinker

_PROCESSES = 2
_SAMPLE_SEED, _SAMPLE_ROUNDS = "sample", 4


def main() -> int:
    options = _options()
    if options.part is not None:
        _run_part(options)
        return 0
    seed = _SAMPLE_SEED if options.sample else options.seed or str(random.SystemRandom().randrange(10**9))
    print(f"seed {seed}", flush=True)
    binary()
    command = [sys.executable, "-m", "tests.differential", "--seconds", str(options.seconds), "--seed", seed]
    command += ["--rounds", str(_SAMPLE_ROUNDS)] * options.sample
    parts = [subprocess.Popen([*command, "--part", str(part)], stdout=subprocess.PIPE) for part in range(_PROCESSES)]
    outputs = [part.communicate()[0] for part in parts]
    if any(part.returncode for part in parts):
        return 2
    tally, found = Tally(), dict[str, tuple[int, Difference]]()
    for output in outputs:
        more, differing = pickle.loads(output)
        tally.add(more)
        for kind, (number, difference) in differing.items():
            found[kind] = (number + found.get(kind, (0, difference))[0], found.get(kind, (0, difference))[1])
    text = report(seed, tally, found)
    print(text)
    if options.report:
        options.report.write_text(text)
    return 1 if found else 0


def _run_part(options: argparse.Namespace) -> None:
    run = Run(f"{options.seed}.{options.part}")
    with Judge() as judge:
        run.until(time.monotonic() + options.seconds, judge, options.rounds)
        shrinker = Shrinker(judge)
        until = time.monotonic() + options.seconds / 2 + 30
        small = {}
        for kind, differences in sorted(run.found.items(), key=lambda each: -len(each[1])):
            first = min(differences, key=_size)
            small[kind] = (len(differences), shrinker.small(first) if time.monotonic() < until else first)
    sys.stdout.buffer.write(pickle.dumps((run.tally, small)))


def _size(difference: Difference) -> tuple[int, int]:
    """The smallest policy first; of one policy the rule before the package."""
    return sum(len(text) for _, text in difference.case.modules), -len(difference.path)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120, help="of asking, without the making small")
    parser.add_argument("--seed", default="")
    parser.add_argument("--sample", action="store_true", help="always the same few questions")
    parser.add_argument("--report", type=Path, help="writes what is printed, too")
    parser.add_argument("--rounds", type=int, default=1_000_000, help=argparse.SUPPRESS)
    parser.add_argument("--part", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
