"""Something wrong at a place of the configuration. Not how it is found, nor how it is shown (`read`)."""

from typing import NamedTuple

Place = tuple[str | int, ...]


class Finding(NamedTuple):
    """Something wrong at a place."""

    place: Place
    found: str
    fix: str
    line: int = 0  # where the place does not tell it
    here: bool = False  # true of this host only: it lacks a variable, or a file with a secret
