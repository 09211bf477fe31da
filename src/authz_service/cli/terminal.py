"""Where the commands print: whole lines into a file, for other tools; on a terminal lines that end between words."""

import re
from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

_WORD = re.compile(r" *([^ ]+)")


class Terminal:
    """No word is broken: a path that is longer than the terminal is wide stays one."""

    def __init__(self, *, stderr: bool = False) -> None:
        self._console = Console(stderr=stderr, highlight=False, soft_wrap=True)

    def print(self, *markups: str) -> None:
        """Each from a line of its own, in rich's markup: what comes from files is to be `shown`."""
        lines = [line for markup in markups for line in Text.from_markup(markup).split("\n", allow_blank=True)]
        if self._console.is_terminal:
            lines = [piece for line in lines for piece in line.divide(line_starts(line.plain, self._console.width))]
        for line in lines:
            line.rstrip()
            self._console.print(line)


def line_starts(line: str, width: int) -> Iterator[int]:
    """Where a line of so many letters begins, between words; not the first."""
    start = 0
    for word in _WORD.finditer(line):
        if word.start() > start and word.end() - start > width:
            start = word.start(1)
            yield start
