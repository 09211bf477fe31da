"""P1: the property tests of every parser of foreign bytes, of the gate's exits, and of the token cache, at length.

They are tests of their own (`tests/unit`), which `make test` runs; this row runs the same ones with many more examples.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys

from tests.support.live import Live
from tests.torture.row import Outcome, Progress, Row, seed

from authz_devkit.demo.mesh import REPOSITORY

_UNIT = REPOSITORY / "tests" / "unit"
_EXAMPLES = re.compile(r"(\d+) passing, (\d+) failing, and \d+ invalid test cases")
_SHOWN = 600  # characters of a failing test's report
_PER_TEST = 1000


async def run(live: Live, size: int, progress: Progress) -> Outcome:
    """Every test is green, and so many examples were tried. A sample is one file in its usual length."""
    whole = size >= ROW.full
    files = sorted(str(path) for path in _UNIT.rglob("test_*.py") if "from hypothesis import" in path.read_text())
    chosen = files if whole else [str(_UNIT / "ext_authz" / "test_wire.py")]
    found = Outcome(0)
    for file in chosen:
        found = _together(found, await _run_file(file, _PER_TEST if whole else 100))
        progress(found.tried)
    return Outcome(found.tried, found.failures, figures={"files": len(chosen), "seed": seed()})


async def _run_file(file: str, examples: int) -> Outcome:
    options = ["-q", "-p", "no:cacheprovider", "--hypothesis-show-statistics", f"--hypothesis-seed={seed()}"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "pytest", file, *options,
        cwd=REPOSITORY,
        env={**os.environ, "HYPOTHESIS_EXAMPLES": str(examples)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        said = (await process.communicate())[0].decode(errors="replace")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    tried = sum(int(passing) for passing, _ in _EXAMPLES.findall(said))
    return Outcome(tried, [] if process.returncode == 0 else [f"seed {seed()}, {file}: …{said[-_SHOWN:]}"])


def _together(one: Outcome, other: Outcome) -> Outcome:
    return Outcome(one.tried + other.tried, one.failures + other.failures)


ROW = Row(
    id="P1",
    title="property tests of every parser",
    promise="a refusal, never an exception, never an allow",
    full=20_000,
    sample=100,
    budget=155,
    run=run,
)
