"""What the demo leaves in the temporary folder: no key and no token, and nothing at all where everything held."""

import tempfile
from pathlib import Path

import pytest

from authz_devkit.demo.leftovers import forget, forget_killed, new_folder


def test_keys_go_and_what_explains_a_failure_stays(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "mesh", tmp_path / "elsewhere"
    for name in ("certs/order", "state/order/sds", "logs", "audit"):
        (folder / name).mkdir(parents=True)
        (folder / name / "file").write_text("x")
    elsewhere.mkdir()
    (elsewhere / "file").write_text("x")
    (folder / "link").symlink_to(elsewhere)
    (folder / "ca-bundle.crt").write_text("x")

    forget(folder, keep=("logs", "audit"))
    assert sorted(entry.name for entry in folder.iterdir()) == ["audit", "logs"]
    assert (elsewhere / "file").exists()

    forget(folder)
    assert not folder.exists()


def test_what_a_killed_mesh_left_goes_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the folder of one that runs, not what explains a failure, not what a link leads to."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    running, failed = new_folder(), new_folder()
    forget(failed, keep=("logs", "audit"))
    elsewhere, killed = tmp_path / "elsewhere", tmp_path / "authz-mesh-killed"
    for folder in (elsewhere, killed):
        (folder / "certs").mkdir(parents=True)
        (folder / "in-use").touch()
    link = tmp_path / "authz-mesh-link"
    link.symlink_to(elsewhere)

    assert forget_killed() == [killed]
    assert sorted(tmp_path.iterdir()) == sorted([running, failed, elsewhere, link])
    assert (elsewhere / "certs").exists()
