"""The egress as a Unix socket: what may not be taken or given is said before Envoy starts, and nothing is removed."""

import os
import socket
import stat
from pathlib import Path
from typing import Any

import pytest
from tests.support.rendering import a_config

from authz_service.config.model import Config
from authz_service.control_plane.preflight.egress_socket import handed_over, require_own_socket
from authz_service.errors import ConfigProblems

OURS = {"owner": str(os.geteuid()), "group": str(os.getegid())}


def config(path: Path, **socket_keys: Any) -> Config:
    targets = {"open": {"url": "http://127.0.0.1:9000"}}
    return a_config(egress={"addr": f"unix://{path}", "targets": targets, "socket": socket_keys})


def problem(wanted: Config, last: Config | None = None) -> str:
    """Where it is and what is wrong; "" when nothing is."""
    try:
        require_own_socket(wanted, last)
    except ConfigProblems as problems:
        return str(problems)
    return ""


def listener(path: Path) -> socket.socket:
    found = socket.socket(socket.AF_UNIX)
    found.bind(str(path))
    found.listen()
    return found


def test_a_free_path_in_a_folder_of_ours_is_fine(tmp_path: Path) -> None:
    assert problem(config(tmp_path / "e.sock", **OURS)) == ""
    assert problem(a_config()) == ""


def test_a_dead_predecessors_socket_is_in_nobodys_way_and_a_living_one_is(tmp_path: Path) -> None:
    path = tmp_path / "e.sock"
    with listener(path):
        assert "another process listens there" in problem(config(path))
        assert problem(config(path), last=config(path)) == ""  # it is our own
        assert "another process" in problem(config(path), last=config(tmp_path / "other.sock"))
    assert path.exists()
    assert problem(config(path)) == ""


def test_what_is_no_socket_is_never_removed(tmp_path: Path) -> None:
    """Envoy removes whatever lies at the path before it binds."""
    path = tmp_path / "precious"
    path.write_text("data")

    assert "something else" in problem(config(path))
    assert path.read_text() == "data"
    (tmp_path / "link").symlink_to(path)
    assert "something else" in problem(config(tmp_path / "link"))


def test_the_folder_is_there_and_not_everybodys(tmp_path: Path) -> None:
    """Else anybody could put his own socket in the place of ours, and hear what the service says."""
    open_folder = tmp_path / "open"
    open_folder.mkdir()
    open_folder.chmod(0o777)

    assert "everybody may write" in problem(config(open_folder / "e.sock"))
    assert "not a folder" in problem(config(tmp_path / "absent" / "e.sock"))
    open_folder.chmod(0o755)
    assert problem(config(open_folder / "e.sock")) == ""


@pytest.mark.parametrize("key", ["owner", "group"])
def test_who_is_not_known_is_named(tmp_path: Path, key: str) -> None:
    assert f"egress.socket.{key}" in problem(config(tmp_path / "e.sock", **{key: "nobody-has-this-name"}))
    assert problem(config(tmp_path / "e.sock", **{key: OURS[key]})) == ""


def test_the_socket_is_given_to_whom_it_belongs(tmp_path: Path) -> None:
    """And what is not made yet, or no socket, is left alone."""
    wanted = config(tmp_path / "e.sock", **OURS)
    assert handed_over(wanted) == ""

    with listener(tmp_path / "e.sock"):
        assert handed_over(wanted) == ""
        found = (tmp_path / "e.sock").stat()
        assert stat.S_ISSOCK(found.st_mode)
        assert (found.st_uid, found.st_gid) == (os.geteuid(), os.getegid())
        assert "nobody-has-this-name" in handed_over(config(tmp_path / "e.sock", owner="nobody-has-this-name"))
