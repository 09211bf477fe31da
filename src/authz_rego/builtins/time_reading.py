"""A time's text while it is read, and what was found in it so far. Not the reading by a layout (`time_parsing`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from authz_rego.errors import BuiltinError

DIGITS: Final = frozenset("0123456789")


@dataclass(slots=True)
class Reading:
    """What has been read so far, and what is left of the text."""

    text: str
    place: int = 0
    year: int = 0
    month: int | None = None
    day: int | None = None
    day_of_year: int | None = None
    hour: int = 0
    minute: int = 0
    second: int = 0
    nanosecond: int = 0
    half: str = ""  # AM or PM
    is_utc: bool = False
    offset: int | None = None

    def has_digit(self, ahead: int = 0) -> bool:
        return self.text[self.place + ahead : self.place + ahead + 1] in DIGITS

    def take(self, length: int) -> str:
        """The next characters; refuses when there are fewer."""
        taken = self.text[self.place : self.place + length]
        if len(taken) < length:
            raise self.refusal()
        self.place += length
        return taken

    def refusal(self, why: str = "") -> BuiltinError:
        rest = self.text[self.place : self.place + 64]
        return BuiltinError(f"parsing time {self.text[:64]!r}: {why or f'cannot parse {rest!r}'}")

    def number(self, *, fixed: bool = False) -> int:
        """One digit or two; two when `fixed`."""
        if not self.has_digit() or (fixed and not self.has_digit(1)):
            raise self.refusal()
        return int(self.take(2 if self.has_digit(1) else 1))

    def signed(self, text: str) -> int:
        """A taken text as Go's own `atoi` reads it: with or without a sign, and no digits for 0."""
        digits = text[1:] if text[:1] in {"+", "-"} else text
        if not set(digits) <= DIGITS:
            raise self.refusal()
        return -int(digits or "0") if text.startswith("-") else int(digits or "0")
