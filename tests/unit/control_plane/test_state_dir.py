"""The private folder: what others prepared in it, or in its place, is refused or replaced, and never followed."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from authz_service.control_plane.state_dir import StateDirectory, StateDirectoryUnusable


def acquired(path: Path) -> StateDirectory:
    directory = StateDirectory(path)
    directory.acquire()
    return directory


def test_a_folder_that_is_not_there_is_made_and_a_present_one_is_closed_to_others(tmp_path: Path) -> None:
    for path in (tmp_path / "a" / "state", tmp_path / "state"):
        (tmp_path / "state").mkdir(mode=0o755, exist_ok=True)
        acquired(path).write("sds/x.json", "secret")

        assert {one.stat().st_mode & 0o777 for one in (path, path / "sds")} == {0o700}
        assert (path / "sds" / "x.json").stat().st_mode & 0o777 == 0o600
        assert (path / "sds" / "x.json").read_text() == "secret"


def test_an_empty_folder_that_all_may_write_is_taken(tmp_path: Path) -> None:
    """A volume that a container runtime made. With something in it, somebody else put it there."""
    state = tmp_path / "state"
    state.mkdir()
    state.chmod(0o1777)
    acquired(state)
    assert state.stat().st_mode & 0o7777 == 0o700

    state.chmod(0o1777)
    with pytest.raises(StateDirectoryUnusable, match="everybody may write"):
        acquired(state)


def _a_link(state: Path, elsewhere: Path) -> None:
    state.symlink_to(elsewhere)


def _a_link_in_it(state: Path, elsewhere: Path) -> None:
    state.mkdir()
    (state / "sds").symlink_to(elsewhere)


def _a_lock_that_leads_away(state: Path, elsewhere: Path) -> None:
    state.mkdir()
    (state / "lock").symlink_to(elsewhere / "file")


def _a_file(state: Path, elsewhere: Path) -> None:
    del elsewhere
    state.mkdir()
    (state / "sds").write_text("")


def _somebody_elses(state: Path, elsewhere: Path) -> None:
    del elsewhere
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    state.mkdir()
    os.chown(state, 12345, 12345)


@pytest.mark.parametrize("prepare", [_a_link, _a_link_in_it, _a_lock_that_leads_away, _a_file, _somebody_elses])
def test_what_leads_elsewhere_is_refused(tmp_path: Path, prepare: Callable[[Path, Path], None]) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o755)
    prepare(tmp_path / "state", elsewhere)

    with pytest.raises(StateDirectoryUnusable, match=r"runtime.state_dir"):
        acquired(tmp_path / "state")

    assert list(elsewhere.iterdir()) == []
    assert elsewhere.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("hard", [True, False])
def test_a_temporary_file_that_was_prepared_is_not_written_through(tmp_path: Path, *, hard: bool) -> None:
    """A link to a file of ours, or of somebody who wants to read along."""
    directory = acquired(tmp_path / "state")
    victim, trap = tmp_path / "victim", tmp_path / "state" / "sds" / ".x.json.new"
    victim.write_text("before")
    trap.hardlink_to(victim) if hard else trap.symlink_to(victim)

    directory.write("sds/x.json", "secret")

    assert victim.read_text() == "before"
    assert (tmp_path / "state" / "sds" / "x.json").read_text() == "secret"


def test_a_folder_that_is_replaced_later_gets_nothing(tmp_path: Path) -> None:
    """What we hold is the folder, not its name."""
    directory, elsewhere = acquired(tmp_path / "state"), tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "state" / "sds").rename(tmp_path / "state" / "old")
    (tmp_path / "state" / "sds").symlink_to(elsewhere)

    directory.write("sds/x.json", "secret")

    assert list(elsewhere.iterdir()) == []
    assert (tmp_path / "state" / "old" / "x.json").exists()


def test_two_cannot_have_one(tmp_path: Path) -> None:
    first = acquired(tmp_path / "state")

    with pytest.raises(StateDirectoryUnusable, match="another sidecar runs"):
        acquired(tmp_path / "state")
    assert first.path == tmp_path / "state"
