"""`authz check` looks at the candidate policy too: a sidecar runs without it, but whoever wrote it wants to know."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.config_files import changed, load_tree

from authz_service.cli.check import _policies
from authz_service.errors import PolicyProblems

GOOD = 'package order\n\ndefault allow := false\n\nallow if input.request.method == "GET"\n'


@pytest.mark.parametrize(
    ("candidate", "refused"), [(GOOD, False), ("package order\n\nallow if nobody\n", True), (None, True)]
)
def test_a_broken_candidate_is_told(tmp_path: Path, candidate: str | None, *, refused: bool) -> None:
    """With its file and line; one that is not there, too."""
    for name, text in (("policies", GOOD), ("candidate", candidate)):
        if text is not None:
            (tmp_path / name).mkdir()
            (tmp_path / name / "order.rego").write_text(text)
    places = {"policy.path": str(tmp_path / "policies"), "proxy.authz.candidate.path": str(tmp_path / "candidate")}
    config = load_tree(tmp_path, changed(places))

    if not refused:
        _policies(config, "data.order.allow")
        return
    with pytest.raises(PolicyProblems, match="order.rego:3" if candidate else "is not a directory"):
        _policies(config, "data.order.allow")
