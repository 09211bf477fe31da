"""Go's layouts, "2006-01-02T15:04:05Z07:00", and times written by them. Not times read by them (`time_parsing`)."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final, NamedTuple

from authz_rego.builtins.go_calendar import LONG_DAYS, LONG_MONTHS, Clock, Date, day_of_year

NAMED_LAYOUTS: Final = {
    "ANSIC": "Mon Jan _2 15:04:05 2006",
    "UnixDate": "Mon Jan _2 15:04:05 MST 2006",
    "RubyDate": "Mon Jan 02 15:04:05 -0700 2006",
    "RFC822": "02 Jan 06 15:04 MST",
    "RFC822Z": "02 Jan 06 15:04 -0700",
    "RFC850": "Monday, 02-Jan-06 15:04:05 MST",
    "RFC1123": "Mon, 02 Jan 2006 15:04:05 MST",
    "RFC1123Z": "Mon, 02 Jan 2006 15:04:05 -0700",
    "RFC3339": "2006-01-02T15:04:05Z07:00",
    "RFC3339Nano": "2006-01-02T15:04:05.999999999Z07:00",
}

# What stands for a part of a time, in the order in which Go looks for them at each place of a layout.
_PART: Final = re.compile(
    r"January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST|0[1-6]|002|15?|2006|2|_2(?!006)|__2|[345]|PM|pm"
    r"|[-Z]07(?:0000|:00:00|00|:00)?|[.,](?:0++|9++)(?![0-9])"
)
_COLON_ZONES: Final = frozenset({"-07:00", "Z07:00", "-07:00:00", "Z07:00:00"})
_SECOND_ZONES: Final = frozenset({"-070000", "Z070000", "-07:00:00", "Z07:00:00"})


class Moment(NamedTuple):
    """An instant as a clock on a wall shows it."""

    date: Date
    weekday: int
    clock: Clock
    nanosecond: int
    zone: str
    offset: int  # seconds east of UTC


class Layout(NamedTuple):
    """A layout taken apart: each part of a time with the text before it, and the text behind the last one."""

    parts: tuple[tuple[str, str], ...]
    rest: str


def read_layout(text: str) -> Layout:
    """Takes a layout, or the name of one, apart."""
    layout = NAMED_LAYOUTS.get(text, text)
    return _split_short(layout) if len(layout) <= 128 else _split(layout)


def write_time(moment: Moment, layout: Layout) -> str:
    """The moment in that layout."""
    written = [before + _write_part(moment, part) for before, part in layout.parts]
    return "".join(written) + layout.rest


def fraction_digits(part: str) -> int:
    """How many digits a part like ".000" has; Go keeps twelve bits of the count."""
    return (len(part) - 1) & 0xFFF


def _split(layout: str) -> Layout:
    parts, end = [], 0
    for match in _PART.finditer(layout):
        parts.append((layout[end : match.start()], match[0]))
        end = match.end()
    return Layout(tuple(parts), layout[end:])


_split_short = lru_cache(maxsize=256)(_split)


def _write_part(moment: Moment, part: str) -> str:
    writer = _WRITERS.get(part)
    if writer is not None:
        return writer(moment)
    return _write_fraction(moment, part) if part[0] in ".," else _write_offset(moment.offset, part)


def _write_fraction(moment: Moment, part: str) -> str:
    digits, trims = fraction_digits(part), part[1] == "9"
    if trims and (not digits or not moment.nanosecond):
        return ""
    written = f"{part[0]}{moment.nanosecond:09}"[: 1 + digits]
    return written.rstrip("0").removesuffix(part[0]) if trims else written


def _write_offset(offset: int, part: str) -> str:
    if offset == 0 and part[0] == "Z":
        return "Z"
    minutes, seconds = divmod(abs(offset), 60)
    # Go looks at the sign of the minutes only: what is west of UTC by seconds alone has its sign in between.
    sign, inner_sign = ("-", "") if offset <= -60 else ("+", "-" if offset < 0 else "")
    colon = ":" if part in _COLON_ZONES else ""
    written = f"{sign}{minutes // 60:02}"
    if len(part) > 3:
        written += f"{colon}{minutes % 60:02}"
    return f"{written}{colon}{inner_sign}{seconds:02}" if part in _SECOND_ZONES else written


def _twelve(clock: Clock) -> int:
    return clock.hour % 12 or 12


_WRITERS: Final[dict[str, Callable[[Moment], str]]] = {
    "06": lambda moment: f"{moment.date.year % 100:02}",
    "2006": lambda moment: f"{moment.date.year:04}",
    "Jan": lambda moment: LONG_MONTHS[moment.date.month - 1][:3],
    "January": lambda moment: LONG_MONTHS[moment.date.month - 1],
    "1": lambda moment: str(moment.date.month),
    "01": lambda moment: f"{moment.date.month:02}",
    "Mon": lambda moment: LONG_DAYS[moment.weekday][:3],
    "Monday": lambda moment: LONG_DAYS[moment.weekday],
    "2": lambda moment: str(moment.date.day),
    "_2": lambda moment: f"{moment.date.day:2}",
    "02": lambda moment: f"{moment.date.day:02}",
    "__2": lambda moment: f"{day_of_year(moment.date):3}",
    "002": lambda moment: f"{day_of_year(moment.date):03}",
    "15": lambda moment: f"{moment.clock.hour:02}",
    "3": lambda moment: str(_twelve(moment.clock)),
    "03": lambda moment: f"{_twelve(moment.clock):02}",
    "4": lambda moment: str(moment.clock.minute),
    "04": lambda moment: f"{moment.clock.minute:02}",
    "5": lambda moment: str(moment.clock.second),
    "05": lambda moment: f"{moment.clock.second:02}",
    "PM": lambda moment: "PM" if moment.clock.hour >= 12 else "AM",
    "pm": lambda moment: "pm" if moment.clock.hour >= 12 else "am",
    "MST": lambda moment: moment.zone or _write_offset(moment.offset, "-0700"),
}
