"""A configuration that is not exactly one is refused: Envoy then refuses the listener."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.module.ground import Ground
from tests.module.host import GOOD, Host

_LINES = ["version 1", "board /b", "chain /c", "audit /a", "asked authorization", "owned x-user-id"]


def _text(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _without(start: str) -> list[str]:
    return [line for line in _LINES if not line.startswith(start)]


_BAD: dict[str, str] = {
    "nothing": "",
    "no version": _text(_without("version")),
    "no board": _text(_without("board")),
    "no chain": _text(_without("chain")),
    "no audit": _text(_without("audit")),
    "another version": _text(["version 2", *_LINES[1:]]),
    "two versions": _text([*_LINES, "version 1"]),
    "two boards": _text([*_LINES, "board /b"]),
    "two chains": _text([*_LINES, "chain /c"]),
    "two destinations": _text([*_LINES, "audit -"]),
    "an unknown key": _text([*_LINES, "secret x"]),
    "a key's start": _text([*_LINES, "ask authorization"]),
    "no value": _text([*_LINES, "asked "]),
    "no space": _text([*_LINES, "asked"]),
    "an empty line": _text([*_LINES, ""]),
    "no last line feed": _text(_LINES)[:-1],
    "an upper-case name": _text([*_LINES, "asked Authorization"]),
    "a pseudo header": _text([*_LINES, "owned :path"]),
    "a name with a space": _text([*_LINES, "owned x user"]),
    "NUL": _text([*_LINES, "owned x\0user"]),
    "a carriage return": _text(_LINES).replace("\n", "\r\n"),
    "129 names": _text([*_LINES, *(f"asked x-{number}" for number in range(128))]),
    "too long": _text([*_LINES, "board /" + "b" * 70_000]),
}


@pytest.mark.parametrize("bad", _BAD.items(), ids=lambda named: named[0])
def test_a_configuration_that_differs_in_one_thing_is_refused(host: Host, bad: tuple[str, str]) -> None:
    """And says why in Envoy's log; the process goes on."""
    host.say("validate 1")

    assert not host.configure(bad[1])
    assert host.configure(_text(_LINES))


def test_the_order_of_lines_means_nothing_and_names_may_be_missing(host: Host) -> None:
    host.say("validate 1")

    assert host.configure(_text(_LINES[::-1]))
    assert host.configure(_text(_LINES[:4]))
    assert host.configure(_text([*_LINES, *(f"asked x-{number}" for number in range(127))]))


def test_while_envoy_only_validates_nothing_of_the_paths_is_looked_at(program: Path, ground: Ground) -> None:
    """They are made when the sidecar starts."""
    with Host(program, ground) as host:
        host.say("validate 1")
        assert host.configure(_text(_LINES))
        host.say("validate 0")
        others = host.configure(_text(_LINES))

    assert not others


def test_board_and_chain_are_one_for_the_process_and_the_destination_may_change(host: Host, ground: Ground) -> None:
    """A reload may name another file of records; locks are the process's, whatever the filter."""
    host.learn(GOOD)
    assert host.known(GOOD)
    other = ground.folder / "other.jsonl"
    other.touch()
    assert host.configure(ground.configuration(str(other)))
    host.learn(GOOD)

    assert host.known(GOOD)
    assert [len(file.read_text().splitlines()) for file in (ground.audit, other)] == [1, 1]
    assert not host.configure(ground.configuration().replace("envoy-chain", "another-chain"))
    assert not host.configure(ground.configuration().replace("decision-cache", "another-board"))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("asked x-extra\n", ""),
        lambda text: text.replace("owned x-user-id\n", ""),
    ],
    ids=["asked", "owned"],
)
def test_each_name_counts(host: Host, ground: Ground, change: Callable[[str], str]) -> None:
    """Without `asked` a header makes no difference; without `owned` a permit may not set it."""
    other = GOOD.but(headers=GOOD.headers[:2])
    host.learn(GOOD)
    before = host.known(GOOD), host.known(other)
    assert host.configure(change(ground.configuration()))
    host.learn(GOOD)
    after = host.known(GOOD), host.known(other)

    assert before == (True, False)
    assert after in {(True, True), (False, False)}
