"""The README, followed by somebody new: its lines in their order, in one shell. Not `make`, which CI runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.docs.pages import ROOT, fenced, read, section

# What the reader has done already: the tests' own environment.
_INSTALLED = "make install && . .venv/bin/activate\n"


@pytest.mark.own_network
def test_the_lines_of_the_readme_do_what_it_says(tmp_path: Path) -> None:
    """All ports are those of the page, so the network is the test's own."""
    lines = "\n".join(fenced(section(read("README.md"), "## Use it for your own service"), "sh"))
    assert lines.startswith(_INSTALLED)
    lines = lines.removeprefix(_INSTALLED).replace("/tmp/hello", str(tmp_path / "hello"))
    programs = Path(sys.executable).parent
    output = tmp_path / "output.txt"
    with output.open("w") as file:
        ended = subprocess.run(
            ["bash"], input=f"{lines}\nwait\n", text=True, stdout=file, stderr=subprocess.STDOUT, cwd=ROOT, timeout=150,
            env={"PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"}, check=False,
        )  # fmt: skip
    told = output.read_text()

    records = [json.loads(line) for line in (tmp_path / "hello" / "audit.jsonl").read_text().splitlines()]

    assert [record["reason"] for record in records] == ["allowed", "token_missing", "policy_denied"], told
    # Checked; called, with the answer's reason; decided offline; verified.
    for words in ("\nusable\n", "\nhi\n", '"reason":"token_missing"', "\ndeny 403 policy_denied", "\nintact\n"):
        assert words in told.replace('": "', '":"'), told
    assert "Traceback" not in told
    assert "No such" not in told
    assert ended.returncode == 0, told
