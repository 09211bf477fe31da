"""The static security check that CONTRIBUTING.md promises is switched on for the product, by what it refuses."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("eval(text)", "S307"),
        ("pickle.loads(content)", "S301"),
        ("hashlib.md5(content)", "S324"),
        ("subprocess.run(text, shell=True)", "S602"),
        ("yaml.load(text)", "S506"),
        ("yaml.safe_load(text)", ""),
    ],
)
def test_what_bandit_refuses_lint_refuses(line: str, rule: str) -> None:
    """As a line of the product; the last one is the good twin."""
    code = f"import hashlib, pickle, subprocess, yaml\n{line}\n"
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--output-format", "concise", "--no-fix", "-"]
    ended = subprocess.run(
        [*command, "--stdin-filename", "src/authz_service/a_line.py"],
        input=code, text=True, capture_output=True, check=False, cwd=ROOT,
    )  # fmt: skip

    found = {word for word in ended.stdout.split() if word[0] == "S" and word[1:].isdigit()}
    assert found >= {rule} if rule else not found & {"S506"}
