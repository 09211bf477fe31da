"""Days, dates and seconds, with integers that wrap as Go's do. Not zones (`time_zones`), not text (`go_layouts`)."""

from __future__ import annotations

from typing import Final, NamedTuple

SECONDS_PER_DAY: Final = 86_400
_NANOSECONDS: Final = 1_000_000_000

# Go counts days from March 1 of this year before year 0, so that every date it can hold is positive.
_ABSOLUTE_YEARS: Final = 292_277_022_400
_EPOCH_DAYS: Final = _ABSOLUTE_YEARS // 400 * 146_097 + 719_468  # from there to 1970-01-01

LONG_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
LONG_DAYS: Final = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")


class Date(NamedTuple):
    """A day of the (proleptic) Gregorian calendar."""

    year: int
    month: int
    day: int


class Clock(NamedTuple):
    """A time of day."""

    hour: int
    minute: int
    second: int


def int64(value: int) -> int:
    """What is left of a result in Go's `int64`."""
    return ((value + 2**63) & (2**64 - 1)) - 2**63


def split_nanoseconds(nanoseconds: int) -> tuple[int, int]:
    """Nanoseconds since 1970 as seconds and the rest, which is never negative."""
    return divmod(nanoseconds, _NANOSECONDS)


def date_of(seconds: int) -> Date:
    """The day of a number of seconds since 1970-01-01."""
    era, day_of_era = divmod(seconds // SECONDS_PER_DAY + 719_468, 146_097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)  # from March 1
    shifted_month = (5 * day_of_year + 2) // 153
    month = shifted_month + 3 if shifted_month < 10 else shifted_month - 9
    day = day_of_year - (153 * shifted_month + 2) // 5 + 1
    return Date(year_of_era + era * 400 + (month <= 2), month, day)


def clock_of(seconds: int) -> Clock:
    """The time of day of a number of seconds since 1970-01-01."""
    minutes, second = divmod(seconds % SECONDS_PER_DAY, 60)
    return Clock(*divmod(minutes, 60), second)


def weekday_of(seconds: int) -> int:
    """The day of the week: 0 is Sunday. 1970-01-01 was a Thursday."""
    return (seconds // SECONDS_PER_DAY + 4) % 7


def day_of_year(date: Date) -> int:
    """Counted from 1."""
    return days_before(date.month) + date.day + (is_leap(date.year) and date.month > 2)


def is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def days_in(month: int, year: int) -> int:
    if month == 2:
        return 29 if is_leap(year) else 28
    return 30 if month in {4, 6, 9, 11} else 31


def days_before(month: int) -> int:
    """Days of a common year before the month; 13 stands for the end of the year."""
    return sum(days_in(each, 1) for each in range(1, month))


def seconds_of(date: Date, clock: Clock) -> int:
    """Seconds from 1970-01-01 to a date whose month and day may be any `int64`: they carry over, and wrap as in Go."""
    year, month = _carry_months(date.year, int64(date.month - 1))
    day_number = (_days_to_month(year, month) + date.day - 1) & (2**64 - 1)
    of_day = clock.hour * 3600 + clock.minute * 60 + clock.second
    return int64(day_number * SECONDS_PER_DAY + of_day - _EPOCH_DAYS * SECONDS_PER_DAY)


def _carry_months(year: int, month: int) -> tuple[int, int]:
    """A year and a month (counted from 0) within it."""
    if month < 0:
        years = int64(-month - 1) // 12 + 1
        year, month = int64(year - years), int64(month + years * 12)
    if month >= 12:
        years = month // 12
        year, month = int64(year + years), int64(month - years * 12)
    return year, month


def _days_to_month(year: int, month: int) -> int:
    """Days from Go's absolute beginning to the first of a month (counted from 0), in 64 bits without sign."""
    before_march = month < 2
    century, year_of_century = divmod((year - before_march + _ABSOLUTE_YEARS) & (2**64 - 1), 100)
    from_march = (153 * (month + 12 * before_march - 2) + 2) // 5
    days_to_century = (146_097 * century & (2**64 - 1)) // 4
    return days_to_century + 1461 * year_of_century // 4 + from_march
