"""What is said when Keycloak cannot be brought: what is missing, and what to do. The real one: `make keycloak`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from authz_devkit.keycloak.distribution import ARCHIVE_SHA256, VERSION, KeycloakProblem, install, require_java


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder with programs; JAVA_HOME is not set."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    return folder


def test_a_java_that_is_new_enough_is_taken(programs: Path) -> None:
    """The oldest that will do; one release older is refused, and so is none."""
    java = program(programs / "java", 'openjdk version "17.0.1" 2025-04-15')
    assert require_java() == str(java)

    program(java, 'openjdk version "11.0.2" 2019-01-15')
    with pytest.raises(KeycloakProblem, match=r'version "11.0.2".*; install Java 17 or newer'):
        require_java()
    java.unlink()
    with pytest.raises(KeycloakProblem, match="no java here; install Java 17"):
        require_java()


def test_java_home_comes_first(programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(programs / "java", 'openjdk version "11.0.2"')
    (tmp_path / "jdk" / "bin").mkdir(parents=True)
    wanted = program(tmp_path / "jdk" / "bin" / "java", 'openjdk version "21.0.1"')
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "jdk"))

    assert require_java() == str(wanted)


def test_without_maven_an_archive_must_be_given(programs: Path, tmp_path: Path) -> None:
    program(programs / "java", 'openjdk version "17.0.1"')
    with pytest.raises(KeycloakProblem, match=r"no mvn here.*--archive"):
        install(tmp_path / "cache")


def test_another_archive_is_not_unpacked(programs: Path, tmp_path: Path) -> None:
    """Its hash is pinned; and nothing of it stays."""
    program(programs / "java", 'openjdk version "17.0.1"')
    archive = tmp_path / "evil.tar.gz"
    archive.write_bytes(b"something else")

    with pytest.raises(KeycloakProblem, match=f"not {ARCHIVE_SHA256}: not Keycloak {VERSION}"):
        install(tmp_path / "cache", archive)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["keycloak.lock"]


def program(path: Path, says: str) -> Path:
    """A script that says this on standard error, as `java -version` does."""
    path.write_text(f"#!{sys.executable}\nimport sys\nprint({says!r}, file=sys.stderr)\n")
    path.chmod(0o755)
    return path
