"""The runner: a row that hangs, crashes or does too little has failed, and whatever it started is gone."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from tests.support.patience import PATIENCE
from tests.torture.report import write_json
from tests.torture.row import Outcome, Row
from tests.torture.running import Result, run_row

_MODULE = """
import subprocess
from tests.torture.row import Outcome, Row

async def run(live, size, progress):
    progress(1)
{body}

ROW = Row("A0", "a row for the runner's test", "nothing", 5, 5, 60, run)
"""


ResultOf = Callable[..., Result]


def a_row(run: object = None) -> Row:
    return Row("A0", "a row", "0 accepted", 5, 5, 60, run)  # type: ignore[arg-type]


@pytest.fixture
def result_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ResultOf:
    """`result_of(body, budget)`: what the runner says of a row with this body."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2])]))

    def result(body: str, budget: float = 60) -> Result:
        text = _MODULE.format(body=textwrap.indent(textwrap.dedent(body), "    "))
        (tmp_path / "row_under_test.py").write_text(text)
        return asyncio.run(run_row("row_under_test", a_row(), 5, budget, lambda _: None))

    return result


@pytest.mark.parametrize(
    ("body", "held", "word"),
    [
        ("return Outcome(5)", True, "0 of 5"),
        ("return Outcome(5, ['case 3: accepted'])", False, "case 3: accepted"),
        ("return Outcome(4)", False, "only 4 of 5 tried"),
        ("raise RuntimeError('the row is broken')", False, "the row is broken"),
        ("import os; os._exit(0)", False, "ended with code 0"),
    ],
)
def test_only_a_row_that_tried_all_and_failed_in_none_has_held(
    result_of: ResultOf, body: str, held: bool, word: str
) -> None:
    """Silence is no success."""
    result = result_of(body)

    assert (result.held, word in result.outcome.detail(5)) == (held, True), result


def test_a_row_that_hangs_is_ended_with_all_that_it_started(result_of: ResultOf, tmp_path: Path) -> None:
    """Even where it does not listen."""
    note = tmp_path / "pid"
    result = result_of(
        f"""
        import signal, time
        from authz_service.parent_death import bound_to_us
        child = subprocess.Popen(bound_to_us(["/bin/sleep", "600"]))
        open({str(note)!r}, "w").write(str(child.pid))
        time.sleep(600)
        """,
        budget=15,
    )

    assert not result.held
    assert result.outcome.failures == ["not done after 15 s"]
    assert not psutil.pid_exists(int(note.read_text()))


def test_an_interrupt_ends_everything_and_says_so(tmp_path: Path) -> None:
    """Ctrl-C in the middle of a row: no process, no folder."""
    runner = subprocess.Popen(
        [sys.executable, "-m", "tests.torture", "--only", "A8"],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    family: list[psutil.Process] = []
    end = time.monotonic() + PATIENCE
    while len(family) < 3 and time.monotonic() < end:
        family = psutil.Process(runner.pid).children(recursive=True)
        time.sleep(0.05)
    runner.send_signal(signal.SIGINT)
    _, said = runner.communicate(timeout=PATIENCE)

    assert runner.returncode == 1
    assert "interrupted; everything is stopped" in said.decode()
    assert len(family) >= 3
    assert psutil.wait_procs(family, PATIENCE)[1] == []
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_row_is_said_at_once() -> None:
    """Not after the others."""
    command = [sys.executable, "-m", "tests.torture", "--only", "A8,B1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "no such row: B1; there are " in done.stderr


def test_the_file_has_the_form_of_the_demos(tmp_path: Path) -> None:
    """Names and details in words."""
    outcomes = [Outcome(5, deviations=["one: why"], figures={"seed": 1}), Outcome(5, ["case 3"])]
    write_json(tmp_path / "out.json", [Result(a_row(), 5, one, 1.0) for one in outcomes])

    [good, bad] = json.loads((tmp_path / "out.json").read_text())["expectations"]
    assert good == {"name": "A0 a row: 0 accepted", "held": True, "detail": "0 of 5; seed 1; one: why"}
    assert bad == {"name": "A0 a row: 0 accepted", "held": False, "detail": "1 of 5; case 3"}
