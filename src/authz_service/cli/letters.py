"""Letters of the output: none that the encoding lacks (Latin-1, KOI8-R, ASCII), none that orders a terminal about."""

import codecs
import io
from collections.abc import Iterable
from typing import TextIO

_HANDLER = "authz.other_letters"
_OTHERS = {"✓": "ok", "✗": "x", "…": "...", "→": "->", "·": "-", "—": "-", "µ": "u", "\N{NO-BREAK SPACE}": " "} | dict(
    zip("│├└─", "|++-", strict=True)
)


def accept_any_encoding(streams: Iterable[TextIO]) -> None:
    """From here on nothing that is written to them fails for its letters."""
    codecs.register_error(_HANDLER, _in_other_letters)
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_HANDLER)


def visible(text: str, *, one_line: bool = False) -> str:
    """What comes from files and may be anybody's: escape sequences, changes of direction and the like by code."""
    return "".join(
        letter if letter.isprintable() or (letter == "\n" and not one_line) else ascii(letter)[1:-1] for letter in text
    )


def shown(text: str, *, one_line: bool = False) -> str:
    """The same for a rich console, which reads brackets as orders, too."""
    from rich.markup import escape  # `run` prints nothing, and loads none of it

    return escape(visible(text, one_line=one_line))


def _in_other_letters(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_OTHERS.get(letter, "?") for letter in error.object[error.start : error.end]), error.end
