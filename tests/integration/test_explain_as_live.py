"""`authz explain` and the running mesh judge the same random requests in the same way: same first no, same reason.

A sample; `make test-explain` has ten thousand.
"""

from __future__ import annotations

from pathlib import Path

from tests.support.explain_agrees import differences, requests
from tests.support.live import Live

SAMPLE, SEED = 200, 12


def test_explain_says_what_the_mesh_answers(mesh: Live, tmp_path: Path) -> None:
    """Certificates, tokens, paths and methods by chance."""
    assert differences(mesh, tmp_path / "mesh", SAMPLE, SEED) == []


def test_the_sample_has_every_kind(mesh: Live) -> None:
    """Else it would prove little."""
    sent = requests(SAMPLE, SEED, ["none"], ["john"])

    assert {one.at for one in sent} == {"gateway", "order", "payment", "data"}
    assert len({one.target for one in sent}) > SAMPLE / 4
