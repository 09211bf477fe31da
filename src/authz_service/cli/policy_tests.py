"""`authz test`: the Rego tests of a folder, and what failed and why. Not how they run (`authz_rego.testing`)."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import click

from authz_rego import RegoProblems
from authz_rego.testing import FileCoverage, Outcome, TestRun, run_tests
from authz_rego.values.json_text import from_json
from authz_service.cli.letters import visible
from authz_service.cli.tried import tried_lines
from authz_service.errors import PolicyProblems
from authz_service.policy.sources.folder import read_policy_folder
from authz_service.policy.vetting.checks import problem_of

_MARKS = {Outcome.PASSED: "✓", Outcome.FAILED: "✗", Outcome.ERROR: "✗", Outcome.SKIPPED: "-"}


def test_folder(folder: Path, only: str, *, coverage: bool, verbose: bool) -> int:
    """The exit code: 0 when no test failed, 1 when one did, 2 when there is none. Raises PolicyProblems."""
    source = read_policy_folder(folder, "data", with_tests=True)
    data = from_json(source.data)
    try:
        run = run_tests(source.modules, data, only=only, now_ns=time.time_ns())
    except RegoProblems as found:
        raise PolicyProblems([problem_of(each) for each in found.problems]) from found
    if not run.results:
        click.echo(f"no test below {folder}: name rules `test_…`" + (f", and like {only!r}" if only else ""), err=True)
        return 2
    _show(run, verbose=verbose)
    if coverage:
        _show_coverage(run.coverage)
    return 0 if run.is_good else 1


def _show(run: TestRun, *, verbose: bool) -> None:
    for result in run.results:
        is_bad = result.outcome in {Outcome.FAILED, Outcome.ERROR}
        if is_bad or verbose:
            click.echo(f"{_MARKS[result.outcome]} {result.name} ({result.place}): {result.outcome.value}")
        if is_bad and result.explanation is not None:
            for line in tried_lines(result.explanation):
                click.echo(f"    {visible(line)}")
    counts = Counter(result.outcome for result in run.results)
    failed = counts[Outcome.FAILED] + counts[Outcome.ERROR]
    skipped = f", {counts[Outcome.SKIPPED]} skipped" if counts[Outcome.SKIPPED] else ""
    click.echo(f"{counts[Outcome.PASSED]} passed, {failed} failed{skipped}")


def _show_coverage(files: tuple[FileCoverage, ...]) -> None:
    for each in files:
        missed = f", not reached: {_ranges(each.missed)}" if each.missed else ""
        click.echo(f"{each.share:7.1%} {each.file}{missed}")


def _ranges(rows: tuple[int, ...]) -> str:
    """`3-5, 9`."""
    ranges: list[list[int]] = []
    for row in rows:
        if ranges and ranges[-1][1] == row - 1:
            ranges[-1][1] = row
        else:
            ranges.append([row, row])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)
