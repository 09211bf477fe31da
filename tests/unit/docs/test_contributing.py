"""What CONTRIBUTING says that a new thing touches is what the last ones of its kind touch."""

from __future__ import annotations

import re

import pytest
from tests.unit.docs.pages import ROOT, read

PAGE = read("CONTRIBUTING.md")
PRODUCT = ROOT / "src" / "authz_service"


def _files_with(pattern: str) -> set[str]:
    files = {file.relative_to(PRODUCT).as_posix(): file.read_text(encoding="utf-8") for file in PRODUCT.rglob("*.py")}
    return {name for name, text in files.items() if re.search(pattern, text)}


@pytest.mark.parametrize(("key", "most"), [("required_claims", 4), ("binding_grace", 5), ("user_clients", 5)])
def test_a_key_that_the_gate_decides_by_is_in_five_files_at_most(key: str, most: int) -> None:
    files = _files_with(rf"\b{key}\b")

    assert f"`jwt.{key}`" in PAGE
    assert {"config/sections/jwt.py", "domain/rules.py", "control_plane/gate_rules.py"} < files
    assert len(files) <= most


def test_a_kind_of_question_is_in_four_files_and_whoever_asks_it_offline() -> None:
    """Without `mesh` and `cli`, which decide without a control plane and answer it themselves."""
    files = _files_with(r"questions import .*\bActive\b") | {"domain/questions.py"}

    running = {name for name in files if not name.startswith(("mesh/", "cli/"))}
    assert running == {
        "domain/questions.py", "ingress/gate.py", "control_plane/sources/issuers.py", "control_plane/reload/rollout.py",
    }  # fmt: skip
    assert all(f"`{name}`" in PAGE for name in ("domain/questions.py", "control_plane/reload/rollout.py"))
