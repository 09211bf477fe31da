"""What the demo leaves in the temporary folder: no key and no token, and nothing at all where everything held."""

from pathlib import Path

from authz_devkit.demo.leftovers import forget


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
