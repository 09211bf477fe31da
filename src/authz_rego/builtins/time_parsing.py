"""Times read by Go's layouts. Not the layouts themselves (`go_layouts`), not durations (`durations`)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from authz_rego.builtins.go_calendar import (
    LONG_DAYS,
    LONG_MONTHS,
    Clock,
    Date,
    days_before,
    days_in,
    is_leap,
    seconds_of,
)
from authz_rego.builtins.go_layouts import Layout, fraction_digits
from authz_rego.builtins.time_reading import DIGITS, Reading
from authz_rego.builtins.zone_parsing import read_offset, read_zone

_SHORT_MONTHS: Final = tuple(name[:3] for name in LONG_MONTHS)
_SHORT_DAYS: Final = tuple(name[:3] for name in LONG_DAYS)


def parse_time(text: str, layout: Layout) -> tuple[int, int]:
    """Seconds since 1970 and nanoseconds. A zone's abbreviation counts as UTC, as in Go where the machine has UTC."""
    reading = _read(text, layout)
    return _instant(reading), reading.nanosecond


def parse_zoned_time(text: str, layout: Layout) -> tuple[int, int, int]:
    """The same, and the offset that was written (seconds east of UTC)."""
    reading = _read(text, layout)
    return _instant(reading), reading.nanosecond, 0 if reading.is_utc else reading.offset or 0


def _read(text: str, layout: Layout) -> Reading:
    reading = Reading(text)
    for number, (before, part) in enumerate(layout.parts):
        _skip(reading, before)
        reader = _READERS.get(part)
        if reader is not None:
            reader(reading)
        elif part[0] in ".,":
            _read_fraction(reading, part)
        else:
            read_offset(reading, part)
        following = layout.parts[number + 1][1] if number + 1 < len(layout.parts) else ""
        if part in {"5", "05"} and following[:1] not in {".", ","}:
            _read_surplus_fraction(reading)
    _skip(reading, layout.rest)
    if reading.place < len(text):
        raise reading.refusal("extra text")
    return reading


def _skip(reading: Reading, expected: str) -> None:
    """Text of the layout must stand in the value; a run of spaces is as good as any other, also as none at the end."""
    text, place, at = reading.text, reading.place, 0
    while at < len(expected):
        if expected[at] == " ":
            if place < len(text) and text[place] != " ":
                raise reading.refusal()
            at, place = _behind_spaces(expected, at), _behind_spaces(text, place)
        elif place < len(text) and text[place] == expected[at]:
            at, place = at + 1, place + 1
        else:
            raise reading.refusal()
    reading.place = place


def _behind_spaces(text: str, place: int) -> int:
    while place < len(text) and text[place] == " ":
        place += 1
    return place


def _instant(reading: Reading) -> int:
    hour = reading.hour
    if reading.half == "PM" and hour < 12:
        hour += 12
    elif reading.half == "AM" and hour == 12:
        hour = 0
    date = _date(reading)
    if not 1 <= date.day <= days_in(date.month, date.year):
        raise reading.refusal("day out of range")
    seconds = seconds_of(date, Clock(hour, reading.minute, reading.second))
    # Go marks "no offset" by -1 second, and so forgets that one.
    if reading.is_utc or reading.offset in {None, -1}:
        return seconds
    return seconds - (reading.offset or 0)


def _date(reading: Reading) -> Date:
    if reading.day_of_year is None:
        month = 1 if reading.month is None else reading.month
        return Date(reading.year, month, 1 if reading.day is None else reading.day)
    found = _from_day_of_year(reading, reading.day_of_year)
    if reading.month not in {None, found.month} or reading.day not in {None, found.day}:
        raise reading.refusal("day-of-year does not match month or day")
    return found


def _from_day_of_year(reading: Reading, day: int) -> Date:
    if is_leap(reading.year):
        if day == 60:
            return Date(reading.year, 2, 29)
        day -= day > 60
    if not 1 <= day <= 365:
        raise reading.refusal("day-of-year out of range")
    month = next(month for month in range(1, 13) if day <= days_before(month + 1))
    return Date(reading.year, month, day - days_before(month))


def _checked(reading: Reading, what: str, least: int, most: int, *, fixed: bool) -> int:
    number = reading.number(fixed=fixed)
    if not least <= number <= most:
        raise reading.refusal(f"{what} out of range")
    return number


def _name(reading: Reading, names: tuple[str, ...]) -> int:
    """Which of the names comes next, in letters of any size."""
    for number, name in enumerate(names):
        found = reading.text[reading.place : reading.place + len(name)]
        if found.isascii() and found.lower() == name.lower():
            reading.place += len(name)
            return number
    raise reading.refusal()


def _read_short_year(reading: Reading) -> None:
    year = reading.signed(reading.take(2))
    reading.year = year + (1900 if year >= 69 else 2000)


def _read_long_year(reading: Reading) -> None:
    if not reading.has_digit():
        raise reading.refusal()
    reading.year = reading.signed(reading.take(4))


def _read_month(reading: Reading, *, fixed: bool) -> None:
    reading.month = _checked(reading, "month", 1, 12, fixed=fixed)


def _read_month_name(reading: Reading, names: tuple[str, ...]) -> None:
    reading.month = _name(reading, names) + 1


def _read_day_name(reading: Reading, names: tuple[str, ...]) -> None:
    _name(reading, names)  # checked, and forgotten


def _read_day(reading: Reading, *, fixed: bool = False, spaces: int = 0) -> None:
    _skip_some_spaces(reading, spaces)
    reading.day = reading.number(fixed=fixed)


def _read_day_of_year(reading: Reading, *, fixed: bool = False, spaces: int = 0) -> None:
    _skip_some_spaces(reading, spaces)
    digits = next((number for number in range(3) if not reading.has_digit(number)), 3)
    if not digits or (fixed and digits < 3):
        raise reading.refusal()
    reading.day_of_year = int(reading.take(digits))


def _skip_some_spaces(reading: Reading, most: int) -> None:
    for _ in range(most):
        if reading.text.startswith(" ", reading.place):
            reading.place += 1


def _read_hour(reading: Reading, *, fixed: bool, most: int) -> None:
    reading.hour = _checked(reading, "hour", 0, most, fixed=fixed)


def _read_minute(reading: Reading, *, fixed: bool) -> None:
    reading.minute = _checked(reading, "minute", 0, 59, fixed=fixed)


def _read_second(reading: Reading, *, fixed: bool) -> None:
    reading.second = _checked(reading, "second", 0, 59, fixed=fixed)


def _read_surplus_fraction(reading: Reading) -> None:
    """Behind the seconds a fraction may stand that the layout does not have."""
    if reading.text[reading.place : reading.place + 1] in {".", ","} and reading.has_digit(1):
        _read_digits(reading, _count_digits(reading))


def _count_digits(reading: Reading) -> int:
    end = reading.place + 1
    while end < len(reading.text) and reading.text[end] in DIGITS:
        end += 1
    return end - reading.place - 1


def _read_fraction(reading: Reading, part: str) -> None:
    if part[1] == "0":
        _read_digits(reading, fraction_digits(part))
    else:
        _read_surplus_fraction(reading)


def _read_digits(reading: Reading, length: int) -> None:
    """A point or comma and so many digits, of which nine count; a plus sign passes for one, as in Go."""
    taken = reading.take(1 + length)
    if taken[0] not in ".,":
        raise reading.refusal()
    digits = taken[1:10]
    number = reading.signed(digits)
    if number < 0:
        raise reading.refusal("fractional second out of range")
    reading.nanosecond = number * 10 ** (9 - len(digits))


def _read_half(reading: Reading, names: tuple[str, str]) -> None:
    taken = reading.take(2)
    if taken not in names:
        raise reading.refusal()
    reading.half = taken.upper()


_READERS: Final[dict[str, Callable[[Reading], None]]] = {
    "06": _read_short_year,
    "2006": _read_long_year,
    "Jan": partial(_read_month_name, names=_SHORT_MONTHS),
    "January": partial(_read_month_name, names=LONG_MONTHS),
    "1": partial(_read_month, fixed=False),
    "01": partial(_read_month, fixed=True),
    "Mon": partial(_read_day_name, names=_SHORT_DAYS),
    "Monday": partial(_read_day_name, names=LONG_DAYS),
    "2": _read_day,
    "_2": partial(_read_day, spaces=1),
    "02": partial(_read_day, fixed=True),
    "__2": partial(_read_day_of_year, spaces=2),
    "002": partial(_read_day_of_year, fixed=True),
    "15": partial(_read_hour, fixed=False, most=23),
    "3": partial(_read_hour, fixed=False, most=12),
    "03": partial(_read_hour, fixed=True, most=12),
    "4": partial(_read_minute, fixed=False),
    "04": partial(_read_minute, fixed=True),
    "5": partial(_read_second, fixed=False),
    "05": partial(_read_second, fixed=True),
    "PM": partial(_read_half, names=("PM", "AM")),
    "pm": partial(_read_half, names=("pm", "am")),
    "MST": read_zone,
}
