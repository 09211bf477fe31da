"""The server of `make demo DB=postgres` ends with whoever started it, and so does the command that uses it."""

from __future__ import annotations

import subprocess
import sys

import psutil
import pytest
from tests.support.patience import PATIENCE, until


@pytest.mark.parametrize("how", ["killed", "its command ended"])
def test_no_process_of_it_is_left(how: str) -> None:
    command = [sys.executable, "-m", "authz_devkit.demo.postgres", "cat"]
    family: list[psutil.Process] = []
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        try:
            until(lambda: "cat" in [child.name() for child in psutil.Process(process.pid).children()])
            family = psutil.Process(process.pid).children(recursive=True)
            assert len(family) > 2
            if how == "killed":
                process.kill()
            else:
                process.stdin.close()
            assert process.wait(PATIENCE) == (-9 if how == "killed" else 0)
            assert psutil.wait_procs(family, PATIENCE)[1] == []
        finally:
            process.kill()
            for left in psutil.wait_procs(family, 0)[1]:
                left.kill()
