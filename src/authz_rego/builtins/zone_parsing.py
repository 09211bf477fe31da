"""Offsets and zone names as Go reads them: "+02:00", "Z", "CEST". Not the zones themselves (`time_zones`)."""

from __future__ import annotations

from typing import Final

from authz_rego.builtins.time_reading import DIGITS, Reading

_UPPER: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ")


def read_offset(reading: Reading, part: str) -> None:
    """An offset in the form of the part, say "-07:00"; also "Z" where the part begins with it."""
    if part[0] == "Z" and reading.text.startswith("Z", reading.place):
        reading.place += 1
        reading.is_utc = True
        return
    sign = reading.take(1)
    if sign not in "+-":
        raise reading.refusal()
    numbers = [0, 0, 0]
    for number, most in enumerate(_limits(part)):
        if number and ":" in part and reading.take(1) != ":":
            raise reading.refusal()
        numbers[number] = reading.number(fixed=True)
        if numbers[number] > most:
            raise reading.refusal("time zone offset out of range")
    hours, minutes, seconds = numbers
    offset = (hours * 60 + minutes) * 60 + seconds
    reading.offset = -offset if sign == "-" else offset


def read_zone(reading: Reading) -> None:
    """An abbreviation. Only its form is checked: its offset is not known but for UTC's."""
    if reading.text.startswith("UTC", reading.place):
        reading.place += 3
        reading.is_utc = True
        return
    length = _zone_length(reading.text, reading.place)
    if not length:
        raise reading.refusal()
    reading.place += length


def _limits(part: str) -> tuple[int, ...]:
    """The most that each of hours, minutes and seconds may be: 24 and 60 do occur."""
    return (24, 60, 60)[: len(part.replace(":", "")) // 2]


def _zone_length(text: str, place: int) -> int:
    """Three letters, four or five with a T at the end, and what else Go knows; 0 for anything that is no zone."""
    if len(text) - place < 3:
        return 0
    if text.startswith(("ChST", "MeST"), place):
        return 4
    if text.startswith("GMT", place):
        return 3 + _signed_hours_length(text, place + 3)
    if text[place] in "+-":
        return _signed_hours_length(text, place)
    letters = next((number for number in range(6) if text[place + number : place + number + 1] not in _UPPER), 6)
    if letters == 3:
        return 3
    last = text[place + letters - 1 : place + letters]
    return letters if letters in {4, 5} and (last == "T" or text[place : place + letters] == "WITA") else 0


def _signed_hours_length(text: str, place: int) -> int:
    """A sign and a number up to 23; 0 when there is no such thing."""
    end = place + 1
    while text[end : end + 1] in DIGITS:
        end += 1
    hours = text[place + 1 : end].lstrip("0")
    if text[place : place + 1] not in {"+", "-"} or end == place + 1 or len(hours) > 2 or int(hours or "0") > 23:
        return 0
    return end - place
