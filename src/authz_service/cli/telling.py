"""What every command does alike: a text that may be in a file, and telling what is broken in plain lines."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from authz_service.cli.letters import shown
from authz_service.errors import AuthzServiceError, Problems


def from_file(text: str | None) -> str | None:
    """`@FILE` is what stands in it."""
    if text is None or not text.startswith("@"):
        return text
    try:
        return Path(text[1:]).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise click.BadParameter(f"{text[1:]} cannot be read: {why}", param_hint="--token") from error


def header_pairs(lines: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Of `Name: value`, the names in lower case."""
    return tuple((name.strip().lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines))


def tell(error: AuthzServiceError | OSError | EOFError) -> None:
    from authz_service.cli.terminal import Terminal  # `run` prints nothing else, and loads none of it

    terminal = Terminal(stderr=True)
    if not isinstance(error, Problems):
        terminal.print(shown(f"authz: {error}"))
        return
    terminal.print(*(shown(str(problem)) for problem in error.problems))
    count = len(error.problems)
    terminal.print(f"{count} problem{'s' if count != 1 else ''}.")


@contextmanager
def not_judged_if_broken() -> Iterator[None]:
    """What is broken is told, and the exit code is 2."""
    try:
        yield
    except (AuthzServiceError, OSError, EOFError) as error:  # gzip's own, too
        tell(error)
        sys.exit(2)
