"""What the shells complete: every command and option, and files where there are to be some."""

from __future__ import annotations

import click
import pytest
from click.shell_completion import CompletionItem, ShellComplete, get_completion_class

from authz_service.cli.main import authz

COMMANDS = sorted(authz.list_commands(click.Context(authz)))


def completed(*words: str, begun: str = "") -> list[CompletionItem]:
    return ShellComplete(authz, {}, "authz", "_AUTHZ_COMPLETE").get_completions([*words], begun)


def test_every_command_is_completed() -> None:
    """With nothing typed, and by its beginning."""
    assert sorted(item.value for item in completed()) == COMMANDS
    assert [item.value for item in completed(begun="tra")] == ["trail"]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_completed(name: str) -> None:
    command = authz.commands[name]
    shown = {item.value for item in completed(name, begun="--")}

    wanted = {option.opts[0] for option in command.params if isinstance(option, click.Option)}
    assert {option for option in wanted if option.startswith("--")} <= shown


@pytest.mark.parametrize(
    ("words", "kinds"),
    [
        (["trail", "req-abc"], {"file"}),
        (["replay", "mesh"], {"file"}),
        (["explain", "mesh", "--correlation-id", "req-abc"], {"file"}),
        (["audit", "verify"], {"file"}),
    ],
)
def test_files_are_completed_where_they_are_read(words: list[str], kinds: set[str]) -> None:
    assert {item.type for item in completed(*words)} == kinds


def test_the_values_of_an_option_are_completed() -> None:
    assert [item.value for item in completed("replay", "--fail-on")] == ["gained", "lost", "any", "nothing"]
    assert "trail" in [item.value for item in completed("schema")]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_its_script(shell: str) -> None:
    """It asks for completions by the variable that the documentation names."""
    kind = get_completion_class(shell)
    assert kind is not None

    assert "_AUTHZ_COMPLETE" in kind(authz, {}, "authz", "_AUTHZ_COMPLETE").source_template % {
        "complete_var": "_AUTHZ_COMPLETE", "prog_name": "authz", "complete_func": "_authz_completion",
    }  # fmt: skip
