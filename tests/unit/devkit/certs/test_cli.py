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


def test_a_tree_of_ones_own_names_lives_as_the_examples_does(tmp_path: Path) -> None:
    """Names are added by saying more; every other command knows them, and none of the example's is there."""
    root = tmp_path / "certs"
    assert run(root, "--server", "shop=shop.example.com", "--client", "web", "--ip", "shop=127.3.1.1")[0] == 0
    assert run(root, "--zone", "back", "--server", "stock=stock.example.com", "--client", "shop")[0] == 0
    longest = ["--server", f"far={'a' * 40}.{'b' * 23}", "--client", "a" * 50]
    assert run(tmp_path / "longest", *longest)[0] == 0
    assert run(root) == (0, f"{root}: everything is there and good\n")

    files = {str(file.relative_to(root)) for file in root.rglob("*.crt")}
    leaves = {"shop/server.crt", "web/client-dev.crt", "stock/server.crt", "shop/client-back.crt"}
    assert files == leaves | {"ca/dev-ca.crt", "ca/back-ca.crt"}
    (client,) = load_certificates(root / "shop/client-back.crt")
    assert client.subject.rfc4514_string() == "O=MyOrg,CN=shop-client"
    assert "BACK-CA" in client.issuer.rfc4514_string().upper()

    assert run("rotate", root, "--leaf", "web/client-dev")[0] == 0
    assert run("revoke", root, "web/client-dev")[0] == 0
    assert run("rotate", root, "--ca", "back", "--phase", "overlap")[0] == 0
    assert run("rotate", root, "--all-leaves")[0] == 0
    assert run("rotate", root, "--ca", "back", "--phase", "finish")[0] == 0
    code, output = run("show", root)
    assert (code, "shop.example.com" in output, "spiffe://mesh/dev/shop" in output) == (0, True, True)
    assert "127.3.1.1" in output
    assert "gateway" not in output
    assert run("rotate", root, "--leaf", "gateway/server")[0] == 1


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--server", "shop"], "write NAME=HOST"),
        (["--server", "../shop=shop.example.com"], "no name for a zone, server or client"),
        (["--server", "ca=shop.example.com"], "no name for a zone, server or client"),
        (["--client", "Web"], "no name for a zone, server or client"),
        (["--client", "web", "--zone", "a/b"], "no name for a zone, server or client"),
        (["--server", "shop=shop.example.com/x"], "no host name"),
        (["--server", "shop=127.0.0.1:8443"], "no host name"),
        (["--server", "shop=127.0.0.1"], "no host name"),
        (["--server", f"shop={'a' * 40}.{'b' * 24}"], "no host name"),
        (["--client", "a" * 51], "no name for a zone, server or client"),
        (["--server", "shop=a.example.com", "--server", "shop=b.example.com"], "each name once"),
        (["--zone", "back"], "--zone goes with"),
    ],
)
def test_a_name_that_cannot_be_makes_nothing(tmp_path: Path, arguments: list[str], text: str) -> None:
    """And the answer says what to write."""
    code, output = run(tmp_path / "certs", *arguments)

    assert code != 0
    assert text in output
    assert not (tmp_path / "certs").exists()


def test_names_of_ones_own_and_the_examples_do_not_mix(tmp_path: Path) -> None:
    """Nor does a name change its host."""
    run(tmp_path / "example")
    code, output = run(tmp_path / "example", "--client", "web")
    assert (code, "name another folder" in output) == (1, True)

    run(tmp_path / "own", "--server", "shop=shop.example.com")
    code, output = run(tmp_path / "own", "--server", "shop=other.example.com")
    assert (code, "is shop.example.com in dev already" in output) == (1, True)

    (tmp_path / "own" / "tree.json").write_text("[{}]")
    code, output = run("show", tmp_path / "own")
    assert (code, "tree.json" in output) == (1, True)
