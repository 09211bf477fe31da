"""Output where the encoding lacks our signs (Latin-1, KOI8-R, ASCII): in other letters, never a traceback."""

import codecs
import io
from collections.abc import Iterable
from typing import TextIO

_HANDLER = "authz.other_letters"
_OTHERS = {"✓": "ok", "✗": "x", "…": "...", "→": "->", "·": "-", "—": "-"}


def accept_any_encoding(streams: Iterable[TextIO]) -> None:
    """From here on nothing that is written to them fails for its letters."""
    codecs.register_error(_HANDLER, _in_other_letters)
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_HANDLER)


def _in_other_letters(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_OTHERS.get(letter, "?") for letter in error.object[error.start : error.end]), error.end
