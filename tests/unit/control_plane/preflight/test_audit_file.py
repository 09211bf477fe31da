"""An audit file that cannot be written is said before anything serves, with its place; nothing is written for it."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.rendering import a_config

from authz_service.config.model import Config
from authz_service.control_plane.preflight.audit_file import require_writable_audit
from authz_service.errors import ConfigProblems

NOBODY = 65534


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that other users can reach."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def config(path: object, **more: object) -> Config:
    return a_config(audit={"path": str(path)}, **more)


def problem(wanted: Config, file: Path, last: Config | None = None) -> str:
    try:
        require_writable_audit(wanted, file, last)
    except ConfigProblems as problems:
        return str(problems)
    return ""


def as_somebody_else(wanted: Config, file: Path) -> str:
    """Permissions do not bind root."""
    if os.geteuid() != 0:
        return problem(wanted, file)
    os.seteuid(NOBODY)
    try:
        return problem(wanted, file)
    finally:
        os.seteuid(0)


def test_the_folder_of_the_audit_file_must_be_there(folder: Path) -> None:
    """File and line of the key, what was found, what to do."""
    file = folder / "config.yaml"
    file.write_text("service: {name: orders}\naudit:\n  # records\n  path: here\n")
    absent = folder / "absent"

    assert problem(config(folder / "audit.jsonl"), file) == ""
    found = problem(config(absent / "audit.jsonl"), file)
    assert found.startswith(f"{file}:4: audit.path: {absent}/audit.jsonl cannot be written: {absent} is not a folder")
    assert "Fix: make the folder" in found
    assert [path.name for path in folder.iterdir()] == ["config.yaml"]  # it was only asked


def test_what_serves_already_is_not_refused_for_its_audit(folder: Path) -> None:
    """A folder that went away is the workers' business; another one that is not there is no good change."""
    gone, other = config(folder / "gone" / "a.jsonl"), config(folder / "other" / "a.jsonl")

    assert problem(gone, folder, last=gone) == ""
    assert "audit.path" in problem(gone, folder, last=other)


def test_only_an_ingress_has_an_audit_file(folder: Path) -> None:
    egress = {"addr": "127.0.0.1:8080", "targets": {"open": {"url": "http://127.0.0.1:9000"}}}
    without = a_config(audit={"path": str(folder / "absent" / "a.jsonl")}, egress=egress, proxy={"enabled": False})

    assert problem(without, folder) == ""
    assert problem(config("-"), folder) == ""


def test_a_link_is_judged_by_where_it_leads(folder: Path) -> None:
    link = folder / "link"
    link.symlink_to(folder / "absent" / "a.jsonl")
    assert "not a folder" in problem(config(link), folder)

    (folder / "absent").mkdir()
    assert problem(config(link), folder) == ""
    assert "is a folder" in problem(config(folder), folder)


@pytest.mark.parametrize(("mode", "usable"), [(0o755, False), (0o777, True)])
def test_the_folder_must_be_writable_by_us(folder: Path, mode: int, *, usable: bool) -> None:
    closed = folder / "closed"
    closed.mkdir()
    closed.chmod(mode if os.geteuid() == 0 else mode & ~0o200 | (0o200 if usable else 0))

    assert (as_somebody_else(config(closed / "audit.jsonl"), folder) == "") is usable


@pytest.mark.parametrize(("mode", "usable"), [(0o444, False), (0o666, True)])
def test_a_file_that_is_there_must_be_writable_by_us(folder: Path, mode: int, *, usable: bool) -> None:
    file = folder / "audit.jsonl"
    file.touch()
    file.chmod(mode)

    assert (as_somebody_else(config(file), folder) == "") is usable
