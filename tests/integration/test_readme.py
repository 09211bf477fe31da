"""The READMEs, followed by somebody new: their lines in their order, in one shell. Not `make`, which CI runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.curl import needs_curl
from tests.unit.docs.pages import ROOT, fenced, read, section

# What the reader has done already: the tests' own environment.
_INSTALL, _ACTIVATE = "make install && ", ". .venv/bin/activate\n"


def _pasted(page: str, heading: str, folder: Path) -> str:
    """What the lines of a section print; in a shell that ends when all that they started has ended."""
    lines = "\n".join(fenced(section(read(page), heading), "sh")).removeprefix(_INSTALL)
    assert lines.startswith(_ACTIVATE)
    lines = lines.removeprefix(_ACTIVATE).replace("/tmp/hello", str(folder / "hello"))
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(folder),
        "LC_ALL": "C.UTF-8",
        "DATABASE_URL": f"sqlite+aiosqlite:///{folder}/data.db",
    }
    told = folder / "told.txt"
    with told.open("w") as file:
        ended = subprocess.run(
            ["bash"], input=f"{lines}\nwait\n", text=True, stdout=file, stderr=subprocess.STDOUT, cwd=ROOT,
            env=environment, timeout=150, check=False,
        )  # fmt: skip
    text = told.read_text()
    assert ended.returncode == 0, text
    assert [word for word in ("Traceback", "No such", "not found") if word in text] == [], text
    return text


@needs_curl
@pytest.mark.own_network
def test_the_lines_of_the_readme_do_what_it_says(tmp_path: Path) -> None:
    """All ports are those of the page, so the network is the test's own."""
    told = _pasted("README.md", "## Use it for your own service", tmp_path)
    records = [json.loads(line) for line in (tmp_path / "hello" / "audit.jsonl").read_text().splitlines()]

    assert [record["reason"] for record in records] == ["allowed", "policy_denied", "token_missing"], told
    # Tested; checked; called, with the answer's reason; decided offline; verified.
    for words in (
        "\n5 passed, 0 failed\n", "\nusable\n", "Directory listing for /", '"reason":"policy_denied"',
        '"reason":"token_missing"', "\ndeny 403 policy_denied", "\nintact\n",
    ):  # fmt: skip
        assert words in told.replace('": "', '":"'), told


@needs_curl
@pytest.mark.own_network
def test_the_lines_of_the_example_run_a_service_alone(tmp_path: Path) -> None:
    """An order is created, without a sidecar anywhere."""
    told = _pasted("examples/three_zones/README.md", "## The services without sidecars", tmp_path)

    assert '"product_id":"PROD-123"' in told.replace('": "', '":"'), told
