"""A policy that OPA refuses to compile is refused by our vetting too; its twin is accepted by both."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support import opa
from tests.support.opa_refused import PAIRS, Pair, source


def opa_refuses(text: str, folder: Path) -> str:
    """What `opa check` says; empty when it accepts."""
    folder.mkdir()
    for name, module in source(text).modules:
        (folder / name).write_text(module)
    told = opa.run("check", str(folder))
    return (told.stderr or "refused") if told.returncode else ""


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
def test_opa_refuses_what_the_table_says(pair: Pair, tmp_path: Path) -> None:
    """And accepts its twin; tests/unit/policy/vetting/test_vet_refuses_what_opa_refuses.py asks our gate the same."""
    assert opa_refuses(pair.bad, tmp_path / "bad")
    assert not opa_refuses(pair.good, tmp_path / "good")
