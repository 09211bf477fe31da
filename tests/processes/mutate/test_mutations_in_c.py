"""Mutations of the module in C can still be compiled: else the tests that are to see them would be red for that."""

import subprocess
from pathlib import Path

import pytest
from tests.module import host as hosts
from tests.mutate.mutation import Mutation
from tests.mutate.mutations import MUTATIONS

ROOT = Path(__file__).parents[3]
IN_C = [each for each in MUTATIONS if not each.file.endswith(".py")]


@pytest.mark.parametrize("mutation", IN_C, ids=lambda mutation: mutation.name)
def test_a_mutation_can_be_compiled(mutation: Mutation) -> None:
    """As strictly as its tests compile it; where there is no compiler, its tests do not run either."""
    if hosts.COMPILER is None:
        return
    text = mutation.apply((ROOT / mutation.file).read_text(encoding="utf-8"))
    command = [hosts.COMPILER, *hosts.FLAGS, "-fsyntax-only", f"-I{hosts.SOURCES}", "-x", "c", "-"]
    ended = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == 0, ended.stderr
