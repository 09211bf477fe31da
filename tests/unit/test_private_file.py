"""Private from the first byte, whole or not at all, and never through a link that somebody left."""

from pathlib import Path

import pytest

from authz_service import private_file


def test_it_replaces_in_one_step_and_is_ours_alone(tmp_path: Path) -> None:
    (tmp_path / "keys").write_bytes(b"old")
    (tmp_path / "keys").chmod(0o644)

    private_file.write("keys", b"new", folder=tmp_path)

    assert (tmp_path / "keys").read_bytes() == b"new"
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["keys"]


def test_a_link_in_the_place_of_the_fresh_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"somebody's")
    (tmp_path / ".keys.new").symlink_to(tmp_path / "target")

    private_file.write("keys", b"new", folder=tmp_path)

    assert (tmp_path / "target").read_bytes() == b"somebody's"
    assert (tmp_path / "keys").read_bytes() == b"new"


def test_without_the_folder_it_fails(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        private_file.write("keys", b"new", folder=tmp_path / "nowhere")
