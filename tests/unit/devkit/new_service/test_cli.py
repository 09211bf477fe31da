"""`authz-dev new`: what it makes is whole and good, and it writes no name that a file of it would take for more."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from authz_devkit.cli import main
from authz_service.cli.main import authz
from authz_service.cli.policy_tests import test_folder as run_rego_tests
from authz_service.config.loader import load_config


@pytest.fixture
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose path leaves room for a name."""
    return tmp_path_factory.mktemp("n")


def _new(*words: object) -> Result:
    return CliRunner().invoke(main, ["new", *map(str, words)])


def test_it_makes_a_service_whose_configuration_loads_and_whose_policy_passes_its_tests(short: Path) -> None:
    """By the folder's name; and everything that the options say is in it."""
    made = _new(short / "shop", "--upstream", "http://127.0.0.1:7000", "--address", "127.0.0.2")

    assert made.exit_code == 0, made.output
    config = load_config(short / "shop" / "config.yaml", {})
    assert config.service.name == "shop"
    assert config.proxy.upstream is not None
    assert config.proxy.upstream.port == 7000
    assert str(config.http.addr) == "127.0.0.2:8443"
    assert run_rego_tests(short / "shop" / "policies", "", coverage=False, verbose=False) == 0
    assert (short / "shop" / "up").stat().st_mode & stat.S_IXUSR
    assert stat.S_IMODE((short / "shop" / "certs" / "shop" / "server.key").stat().st_mode) == 0o600


def test_lint_finds_nothing_in_it_and_the_matrix_says_who_may_what(short: Path) -> None:
    """Nor anything but the planted fault, once there is one."""
    folder = short / "looked-at"
    assert _new(folder).exit_code == 0

    def said(command: str) -> Result:
        return CliRunner().invoke(authz, [command, str(folder)])

    clean = said("lint")
    matrix = said("matrix")
    config = folder / "config.yaml"
    config.write_text(config.read_text().replace("audience: looked-at", "audience: looked"))
    planted = said("lint")

    assert clean.exit_code == 0, clean.output
    assert "certificate O=MyOrg,CN=web-client (not here: assumed)" in matrix.output
    assert "anna" in matrix.output
    assert planted.exit_code == 1
    assert "AZ214" in planted.output


def test_what_is_there_stays(short: Path) -> None:
    """An empty folder is as good as none."""
    (short / "empty").mkdir()
    (short / "full").mkdir()
    (short / "full" / "notes").write_text("mine")

    assert _new(short / "empty").exit_code == 0
    refused = _new(short / "full")

    assert refused.exit_code == 1
    assert "is not empty" in refused.output
    assert [file.name for file in (short / "full").iterdir()] == ["notes"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["a b"], "name a folder whose whole path"),
        (["$(id)"], "name a folder whose whole path"),
        (["x" * 90], "name a folder whose whole path"),
        (["Shop"], "no name for a zone, server or client"),
        (["web"], "--name"),
        (["idp"], "--name"),
        (["s", "--name", "a.b"], "no name for a zone, server or client"),
        (["s", "--upstream", "https://example.com"], "write http://HOST:PORT"),
        (["s", "--upstream", "http://a:1/$(id)"], "write http://HOST:PORT"),
        (["s", "--upstream", "http://a:99999"], "write http://HOST:PORT"),
        (["s", "--address", "10.0.0.1"], "an address of this host"),
        (["s", "--address", "::1"], "an address of this host"),
        (["s", "--address", "here"], "an address of this host"),
    ],
)
def test_what_would_not_work_is_refused_before_anything_is_made(short: Path, words: list[str], told: str) -> None:
    """With what to write in its place."""
    folder, *options = words
    refused = _new(short / folder, *options)

    assert refused.exit_code != 0
    assert told in refused.output
    assert list(short.iterdir()) == []
