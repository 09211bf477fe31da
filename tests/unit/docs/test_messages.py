"""What the commands print fits 80 columns, and names nothing that only this repository has."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from authz_devkit.cli import main as authz_dev
from authz_service.cli.main import authz
from authz_service.cli.terminal import Terminal

SOURCES = Path(__file__).resolve().parents[3] / "src"
# A file of the repository, not a part of a URL or of a path on some host.
_OF_THE_REPOSITORY = re.compile(r"(?<![\w./-])(?:docs|deploy|tests|bench|examples)/\w|\b[A-Za-z-]+\.md\b")
_MAY_NAME = re.compile(r"docs|deploy|tests|bench|examples|\.md")
_MAY_NAME_ONE = {
    "authz_devkit/new_service/files.py",  # writes one
    "authz_service/config/describe/reference.py",  # writes docs/configuration.md
    "authz_devkit/demo/mesh.py",  # says that a wheel has no examples/three_zones
}
_LONG = "/a/path/that/is/longer/than/a/terminal/" + "x" * 80


def _commands(name: str, command: click.Command) -> Iterator[tuple[list[str], click.Command]]:
    words = name.split()
    yield words, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            assert found is not None
            yield from _commands(f"{name} {below}", found)


HELP = [*_commands("authz", authz), *_commands("authz-dev", authz_dev)]


@pytest.mark.parametrize(("words", "command"), HELP, ids=[" ".join(words) for words, _ in HELP])
def test_help_fits_the_terminal(words: list[str], command: click.Command) -> None:
    """No line is too long, no sentence is cut, no word is broken, no file of the repository is named."""
    program = authz if words[0] == "authz" else authz_dev
    ended = CliRunner(env={"COLUMNS": "80"}).invoke(program, [*words[1:], "-h"], prog_name=words[0])

    assert ended.exit_code == 0
    assert ended.output.startswith(f"Usage: {' '.join(words)} ")
    lines = [line for line in ended.output.splitlines() if not line.startswith("Usage:")]  # "[ARGS]..." is no cut
    assert [line for line in lines if len(line) > 80 or line.endswith("...")] == []
    assert not _OF_THE_REPOSITORY.search(ended.output)
    told = [command.help or "", *(option.help or "" for option in command.params if isinstance(option, click.Option))]
    assert {word for text in told for word in text.split()} <= set(ended.output.split())


@pytest.mark.parametrize(
    ("is_terminal", "lines"),
    [
        ("0", [f"  config.yaml:3: {'word ' * 20}end", "", f"at {_LONG} fix [it]"]),
        ("1", [f"  config.yaml:3:{' word' * 12}", f"{'word ' * 8}end", "", "at", _LONG, "fix [it]"]),
    ],
)
def test_lines_are_whole_in_a_file_and_end_between_words_on_a_terminal(
    is_terminal: str, lines: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also those of a text of several lines; a word that is too long stays one."""
    for name, value in {"TTY_COMPATIBLE": is_terminal, "COLUMNS": "80", "NO_COLOR": "1", "TERM": "xterm"}.items():
        monkeypatch.setenv(name, value)
    Terminal().print(rf"  config.yaml:3: {'word ' * 20}[bold]end[/]" + f"\n\nat {_LONG} fix \\[it]")

    told = re.sub(r"\x1b\[\d*m", "", capsys.readouterr().out)
    assert told.splitlines() == lines


def _texts(tree: ast.AST) -> Iterator[ast.Constant]:
    """Every text that is no docstring: those of commands are in their help."""
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node


def test_no_message_points_at_a_file_that_a_wheel_has_not() -> None:
    """Its user has neither docs nor examples."""
    found = [
        f"{file.relative_to(SOURCES)}:{text.lineno}: {text.value!r}"
        for file in SOURCES.rglob("*.py")
        if str(file.relative_to(SOURCES)) not in _MAY_NAME_ONE
        if _MAY_NAME.search(source := file.read_text(encoding="utf-8"))  # to take apart each file is slow
        for text in _texts(ast.parse(source))
        if _OF_THE_REPOSITORY.search(str(text.value))
    ]

    assert found == []


@pytest.mark.parametrize(
    ("text", "points"),
    [
        ("(docs/policies.md shows the document)", True),
        ("see CONTRIBUTING.md", True),
        ("https://www.openpolicyagent.org/docs/errors/x", False),
        ("/etc/tests/x", False),
    ],
)
def test_such_a_message_would_be_found(text: str, *, points: bool) -> None:
    """A URL is none."""
    assert bool(_OF_THE_REPOSITORY.search(text)) is points
