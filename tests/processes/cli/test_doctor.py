"""`authz doctor`: each part is good, or it says what is missing and what to do; the worst of them is the exit code."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from authz_service.cli import doctor
from authz_service.cli.doctor import GOOD, RUNS_WITH_LESS, WILL_NOT_RUN, Finding
from authz_service.cli.main import authz
from authz_service.errors import ConfigProblems, Problem


def _has_watches(needed: int) -> None:
    """As many as are wanted."""


def _lacks_watches(needed: int) -> None:
    raise ConfigProblems([Problem("(this host)", f"{needed} are needed", "raise fs.inotify.max_user_instances")])


def _an_envoy(folder: Path, version: str) -> dict[str, str]:
    program = folder / "envoy"
    program.write_text(f"#!/bin/sh\necho 'envoy  version: abc/{version}/Clean/RELEASE/BoringSSL'\n")
    program.chmod(0o755)
    return {"AUTHZ_ENVOY_BIN": str(program)}


@pytest.mark.parametrize(
    ("found", "code", "told"),
    [
        (doctor.system("Linux", "6.1", "x86_64", "glibc 2.36"), GOOD, ""),
        (doctor.system("Linux", "6.1", "aarch64", "glibc 2.31"), GOOD, ""),
        (doctor.system("Darwin", "23", "arm64", ""), WILL_NOT_RUN, "Linux is needed"),
        (doctor.system("Linux", "6.1", "riscv64", "glibc 2.36"), WILL_NOT_RUN, "x86_64 and aarch64"),
        (doctor.system("Linux", "6.1", "x86_64", ""), WILL_NOT_RUN, "not Alpine"),
        (doctor.system("Linux", "6.1", "x86_64", "glibc 2.28"), WILL_NOT_RUN, "glibc 2.31 or newer"),
        (doctor.walls([]), GOOD, ""),
        (doctor.walls(["no Landlock (Function not implemented)"]), RUNS_WITH_LESS, "no Landlock"),
        (doctor.walls(None), WILL_NOT_RUN, "is ended"),
        (doctor.descriptors(20_000), GOOD, ""),
        (doctor.descriptors(256), RUNS_WITH_LESS, "LimitNOFILE="),
        (doctor.file_watches(_has_watches), GOOD, ""),
        (doctor.file_watches(_lacks_watches), WILL_NOT_RUN, "max_user_instances"),
        (doctor.memory(None), GOOD, ""),
        (doctor.memory(1 << 30), GOOD, ""),
        (doctor.memory(128 << 20), RUNS_WITH_LESS, "512 MiB"),
        (doctor.state_directory(Path("/dev/shm"), os.access), GOOD, ""),
        (doctor.state_directory(Path("/none/here"), lambda *_: False), RUNS_WITH_LESS, "runtime.state_dir"),
        (doctor.envoy({"AUTHZ_ENVOY_BIN": "/no/such"}), WILL_NOT_RUN, "is no file"),
    ],
)
def test_each_part_says_how_it_is(found: Finding, code: int, told: str) -> None:
    """What is good has nothing to mend; what is not says what to do, or why."""
    assert found.code == code
    assert told in f"{found.told} {found.fix}"
    assert not (code == GOOD and found.fix)


def test_an_old_envoy_runs_with_less_and_todays_is_good(tmp_path: Path) -> None:
    """By what the binary says of itself."""
    assert doctor.envoy(_an_envoy(tmp_path, "1.40.0")).code == GOOD
    assert doctor.envoy(_an_envoy(tmp_path, "1.30.0")).code == RUNS_WITH_LESS


def test_the_decision_cache_is_there_or_missed_or_not_wanted(tmp_path: Path) -> None:
    """What somebody switched off is nothing to mend."""
    library = tmp_path / "a.so"
    library.touch()
    named = {"AUTHZ_ENVOY_MODULE": str(library)}

    assert doctor.cache(named) == Finding(GOOD, "decision cache", f"Envoy repeats what workers permit it to, {library}")
    assert doctor.cache({"AUTHZ_ENVOY_MODULE": "none"}).code == GOOD
    assert doctor.cache(named | _an_envoy(tmp_path, "1.41.0")).code == RUNS_WITH_LESS
    assert doctor.cache({"AUTHZ_ENVOY_MODULE": "/no/such.so"}).code == WILL_NOT_RUN


def test_a_sidecar_runs_where_these_tests_run() -> None:
    """Walls and all, which are tried in a process of their own: this one can open files afterwards."""
    ended = CliRunner().invoke(authz, ["doctor"])

    assert ended.exit_code in {GOOD, RUNS_WITH_LESS}, ended.output
    assert "a sidecar runs here" in ended.output
    assert ended.output.count("\n") == 10
    assert re.search(r"walls around decision workers: (all$|\w)", ended.output, re.MULTILINE)
    assert re.search(r"walls around decision workers: ;", ended.output) is None
    assert Path(__file__).read_text()


def test_the_worst_part_is_the_exit_code() -> None:
    """Nothing runs without Envoy, whatever else is good."""
    ended = CliRunner().invoke(authz, ["doctor"], env={"AUTHZ_ENVOY_BIN": "/no/such"})

    assert ended.exit_code == WILL_NOT_RUN
    assert ended.output.endswith("a sidecar does not run here\n")


def test_what_kills_the_process_that_raises_the_walls_is_seen() -> None:
    """And what it says is what is missing."""
    assert doctor._tried_in_a_child("print('no Landlock'); print('no seccomp')") == ["no Landlock", "no seccomp"]
    assert doctor._tried_in_a_child("") == []
    assert doctor._tried_in_a_child("import os; os.kill(os.getpid(), 31)") is None
