from pathlib import Path

import pytest
from click.testing import CliRunner

from authz_devkit.certs.tree import LEAVES, load_certificates
from authz_devkit.cli import main


def run(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner(env={"COLUMNS": "400"}).invoke(main, ["certs", *map(str, arguments)])
    return result.exit_code, result.output


def test_the_whole_life_of_a_tree_by_commands(tmp_path: Path) -> None:
    """Make, show, rotate a leaf, revoke, replace a CA: as the documentation tells a user to do it."""
    root = tmp_path / "certs"

    code, output = run("--ip", "gateway=127.3.1.1", "--days", "2", root)
    assert (code, "made ca/zone1-ca" in output) == (0, True)
    assert run(root) == (0, f"{root}: everything is there and good\n")
    assert run("rotate", root, "--leaf", "gateway/server")[0] == 0
    assert run("revoke", root, "order-service/client-zone3")[0] == 0
    assert run("rotate", root, "--ca", "zone3", "--phase", "overlap")[0] == 0

    code, output = run("show", root)
    assert code == 0
    assert {name for name in LEAVES if name in output} == set(LEAVES)
    assert output.count("revoked") == 1
    assert "127.3.1.1" in output

    code, output = run("rotate", root, "--ca", "zone3", "--phase", "finish")
    assert (code, "rotate them before" in output) == (1, True)
    assert run("rotate", root, "--all-leaves")[0] == 0
    assert run("rotate", root, "--ca", "zone3", "--phase", "finish")[0] == 0
    assert len(load_certificates(root / "ca/zone3-ca.crt")) == 1


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--ip", "gateway=300.1.1.1"], "write OWNER=IP"),
        (["--ip", "nobody=127.0.0.1"], "known are gateway"),
        (["--days", "0"], "--days"),
    ],
)
def test_a_wrong_wish_is_answered_with_what_to_do(tmp_path: Path, arguments: list[str], text: str) -> None:
    code, output = run(*arguments, tmp_path / "certs")

    assert code != 0
    assert text in output


@pytest.mark.parametrize(
    "arguments", [[], ["--ca", "zone3"], ["--all-leaves", "--ca", "zone3", "--phase", "overlap"], ["--phase", "finish"]]
)
def test_a_rotation_must_say_of_what(tmp_path: Path, arguments: list[str]) -> None:
    run(tmp_path / "certs")

    code, output = run("rotate", tmp_path / "certs", *arguments)

    assert (code, "say either" in output) == (2, True)


def test_showing_a_tree_that_is_not_there_says_what_to_do(tmp_path: Path) -> None:
    code, output = run("show", tmp_path)

    assert (code, "create the tree again" in output) == (1, True)
