"""The rules at the end of a zone's file, "CET-1CEST,M3.5.0,M10.5.0/3": when summer begins and ends in each later year.

Not the history before (`time_zones`).
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from authz_rego.builtins.go_calendar import SECONDS_PER_DAY, date_of, day_of_year, days_before, days_in, is_leap

_LAST: Final = 2**63 - 1
_HOUR: Final = 3600
_AMERICAN: Final = ",M3.2.0,M11.1.0"  # what holds where a summer time has no rules

_NAME: Final = r"(?:<([^>]*)>|([^<0-9,+-][^0-9,+-]{2,}))"
_OFFSET: Final = r"([+-]?)([0-9]+)(?::([0-9]+)(?::([0-9]+))?)?"
_STANDARD: Final = re.compile(_NAME + _OFFSET)
_SUMMER: Final = re.compile(f"{_NAME}(?:{_OFFSET})?")
_DAY: Final = re.compile(rf"(?:J([0-9]+)|M([0-9]+)\.([0-9]+)\.([0-9]+)|([0-9]+))(?:/{_OFFSET})?")


class _Change(NamedTuple):
    """A day of the year and a time on it. `julian`: 1 to 365, February 29 is never counted; `day` alone: 0 to 365."""

    seconds: int
    julian: int | None = None
    month: int = 0
    week: int = 0
    day: int = 0

    def in_year(self, year: int) -> int:
        """Seconds from the beginning of the year, by the clocks that the change ends."""
        if self.julian is not None:
            days = self.julian - 1 + (is_leap(year) and self.julian >= 60)
        elif self.month:
            days = self._day_of_week(year)
        else:
            days = self.day
        return days * SECONDS_PER_DAY + self.seconds

    def _day_of_week(self, year: int) -> int:
        """Zeller's congruence gives the month's first day of the week; from there to the week that is asked for."""
        month = (self.month + 9) % 12 + 1
        century, of_century = divmod(year - (self.month <= 2), 100)
        first = ((26 * month - 2) // 10 + 1 + of_century + of_century // 4 + century // 4 - 2 * century) % 7
        day = (self.day - first) % 7
        length = days_in(self.month, year)
        for _ in range(1, self.week):
            if day + 7 >= length:
                break
            day += 7
        return day + days_before(self.month) + (is_leap(year) and self.month > 2)


class _Summer(NamedTuple):
    name: str
    offset: int
    begin: _Change
    end: _Change


class Rules(NamedTuple):
    """A standard time, and perhaps a summer time with the days on which it begins and ends."""

    name: str
    offset: int
    summer: _Summer | None = None

    def at(self, seconds: int, since: int) -> tuple[str, int, int, int]:
        """Name, offset, start and end at an instant later than `since`, the last change of the zone's history.

        Start and end are exact at a change and else the year's, as Go has them.
        """
        outside, summer = (self.name, self.offset), self.summer
        if summer is None:
            return (*outside, since, _LAST)
        date = date_of(seconds)
        of_day = seconds % SECONDS_PER_DAY if seconds >= 0 else -(-seconds % SECONDS_PER_DAY)  # Go's remainder
        of_year = (day_of_year(date) - 1) * SECONDS_PER_DAY + of_day
        year_start = seconds - of_year
        inside = (summer.name, summer.offset)
        begin = summer.begin.in_year(date.year) - self.offset
        end = summer.end.in_year(date.year) - summer.offset
        if end < begin:  # the southern half of the earth
            begin, end, outside, inside = end, begin, inside, outside
        if of_year < begin:
            return (*outside, year_start, year_start + begin)
        if of_year >= end:
            return (*outside, year_start + end, year_start + 365 * SECONDS_PER_DAY)
        return (*inside, year_start + begin, year_start + end)


def parse_rules(text: str) -> Rules | None:
    """None for rules that Go does not understand: then the last change of the history holds for ever."""
    match = _STANDARD.match(text)
    behind_utc = None if match is None else _seconds(match.groups()[2:], 24 * 7)
    if match is None or behind_utc is None:
        return None
    standard = Rules(match[1] or match[2] or "", -behind_utc)
    rest = text[match.end() :]
    if not rest or rest.startswith(","):
        return standard
    summer = _summer(rest, standard)
    return None if summer is None else standard._replace(summer=summer)


def _summer(text: str, standard: Rules) -> _Summer | None:
    match = _SUMMER.match(text)
    if match is None:
        return None
    behind_utc = -standard.offset - _HOUR if match[4] is None else _seconds(match.groups()[2:], 24 * 7)
    changes = text[match.end() :] or _AMERICAN
    first, _, second = changes[1:].partition(",")
    begin, end = _change(first), _change(second)
    if behind_utc is None or changes[0] not in ",;" or begin is None or end is None:
        return None
    return _Summer(match[1] or match[2] or "", -behind_utc, begin, end)


def _change(text: str) -> _Change | None:
    match = _DAY.fullmatch(text)
    if match is None:
        return None
    julian, month, week, day, plain, *time = match.groups()
    seconds = 2 * _HOUR if time[1] is None else _seconds(time, 24 * 7)
    if seconds is None:
        return None
    if julian is not None:
        number = _number(julian, 1, 365)
        return None if number is None else _Change(seconds, julian=number)
    if month is None:
        number = _number(plain, 0, 365)
        return None if number is None else _Change(seconds, day=number)
    numbers = (_number(month, 1, 12), _number(week, 1, 5), _number(day, 0, 6))
    if None in numbers:
        return None
    return _Change(seconds, None, *(number for number in numbers if number is not None))


def _seconds(parts: tuple[str | None, ...] | list[str | None], most_hours: int) -> int | None:
    """Sign, hours, minutes and seconds of an offset."""
    sign, *texts = parts
    total = 0
    for text, unit, most in zip(texts, (_HOUR, 60, 1), (most_hours, 59, 59), strict=True):
        number = 0 if text is None else _number(text, 0, most)
        if number is None:
            return None
        total += number * unit
    return -total if sign == "-" else total


def _number(text: str, least: int, most: int) -> int | None:
    number = int(text) if len(text.lstrip("0")) <= 3 else most + 1
    return number if least <= number <= most else None
