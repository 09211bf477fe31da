"""A fixed sample of what `make test-rego` asks: our Rego and the real OPA answer alike, to the letter."""

from __future__ import annotations

import subprocess
import sys

from tests.support.opa import ROOT


def test_the_sample_has_no_difference() -> None:
    """Policies made by chance, changed ones of OPA's, calls of every builtin. What differs is printed."""
    command = [sys.executable, "-m", "tests.differential", "--sample", "--seconds", "100"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert told.returncode == 0, told.stdout[-8000:] + told.stderr[-2000:]
    assert " 0 differences of 0 kinds" in f" {told.stdout.splitlines()[-1]}"
