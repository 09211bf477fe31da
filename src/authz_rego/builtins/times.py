"""OPA's `time.*`. Not the clock: `time.now_ns` is the compiler's, one value for each question."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from authz_rego.builtins.bounds import beyond_bounds
from authz_rego.builtins.durations import parse_duration
from authz_rego.builtins.go_calendar import (
    LONG_DAYS,
    Date,
    clock_of,
    date_of,
    days_in,
    int64,
    seconds_of,
    split_nanoseconds,
    weekday_of,
)
from authz_rego.builtins.go_layouts import Layout, Moment, read_layout, write_time
from authz_rego.builtins.operands import int64_operand, number_operand, string_operand, wrong_operand
from authz_rego.builtins.time_parsing import parse_time
from authz_rego.builtins.time_zones import UTC, Zone, require_zone
from authz_rego.errors import BuiltinError
from authz_rego.values.binary_float import float_of, truncated
from authz_rego.values.byte_texts import raw_of
from authz_rego.values.number import Number
from authz_rego.values.value import Value

_INT64: Final = range(-(2**63), 2**63)
_LONGEST_LAYOUT: Final = 100_000
_FORMS: Final = "either number (ns) or [number (ns), string (tz)]"


class _Instant(NamedTuple):
    """What the first operand of most of these says: an instant, where it is looked at, and how it shall be written."""

    nanoseconds: int
    zone: Zone
    layout: str

    @property
    def seconds(self) -> int:
        return self.nanoseconds // 1_000_000_000

    @property
    def local_seconds(self) -> int:
        """Seconds since 1970 as the zone's clocks count them."""
        return self.seconds + self.zone.at(self.seconds).seconds


def _instant(value: Value) -> _Instant:
    if type(value) is not list:
        if type(value) not in {int, Number}:
            raise wrong_operand(value, 1, _FORMS)
        return _Instant(_nanoseconds(value), UTC, "")
    if not value:
        raise wrong_operand(value, 1, _FORMS)
    nanoseconds = number_operand(value[0], 1)
    zone = require_zone(string_operand(value[1], 1)) if len(value) > 1 else UTC
    layout = string_operand(value[2], 1) if len(value) > 2 else ""
    return _Instant(_nanoseconds(nanoseconds), zone, layout)


def _nanoseconds(number: int | Number) -> int:
    """The number as an integer of 64 bits. OPA reads it with a mantissa of 64 bits, so that a tiny fraction is lost."""
    found = number if type(number) is int else _whole(number.text)  # type: ignore[union-attr]
    if found not in _INT64:
        raise BuiltinError("timestamp too big")
    return found


def _whole(text: str) -> int:
    try:
        number = float_of(text)
    except ValueError as error:
        raise BuiltinError("timestamp too big") from error
    if not number.mantissa:
        return 0
    if not 0 < number.magnitude <= 64 or not number.is_whole:
        raise BuiltinError("timestamp too big")
    return truncated(number)


def _in_range(seconds: int, nanosecond: int) -> int:
    nanoseconds = seconds * 1_000_000_000 + nanosecond
    if nanoseconds not in _INT64:
        raise BuiltinError("time outside of valid range")
    return nanoseconds


def _date(instant: Value) -> list[Value]:
    return [*date_of(_instant(instant).local_seconds)]


def _clock(instant: Value) -> list[Value]:
    return [*clock_of(_instant(instant).local_seconds)]


def _weekday(instant: Value) -> str:
    return LONG_DAYS[weekday_of(_instant(instant).local_seconds)]


def _format(value: Value) -> str:
    instant = _instant(value)
    seconds, nanosecond = split_nanoseconds(instant.nanoseconds)
    offset = instant.zone.at(seconds)
    local = seconds + offset.seconds
    moment = Moment(date_of(local), weekday_of(local), clock_of(local), nanosecond, offset.name, offset.seconds)
    return write_time(moment, _layout("time.format", instant.layout or "RFC3339Nano"))


def _add_date(value: Value, years: Value, months: Value, days: Value) -> int:
    instant = _instant(value)
    more = (int64_operand(years, 2), int64_operand(months, 3), int64_operand(days, 4))
    date = date_of(instant.local_seconds)
    wanted = Date(*(int64(part + added) for part, added in zip(date, more, strict=True)))
    local = seconds_of(wanted, clock_of(instant.local_seconds))
    return _in_range(_to_utc(local, instant.zone), split_nanoseconds(instant.nanoseconds)[1])


def _to_utc(local: int, zone: Zone) -> int:
    """The instant at which the zone's clocks show this; where they skip it or show it twice, the one that Go takes."""
    guess = zone.at(local)
    instant = local - guess.seconds
    if guess.seconds and not guess.start <= instant < guess.end:
        instant = local - zone.at(instant).seconds
    return instant


def _diff(one: Value, other: Value) -> list[Value]:
    first, second = _instant(one), _instant(other)
    zone = first.zone
    earlier, later = sorted((first._replace(zone=zone), second._replace(zone=zone)), key=lambda each: each.nanoseconds)
    return [*_difference(earlier.local_seconds, later.local_seconds)]


def _difference(earlier: int, later: int) -> tuple[int, ...]:
    """Years, months, days, hours, minutes and seconds between two readings of one zone's clocks."""
    start, end = date_of(earlier), date_of(later)
    year, month, day = (after - before for after, before in zip(end, start, strict=True))
    hour, minute, second = (after - before for after, before in zip(clock_of(later), clock_of(earlier), strict=True))
    minute, second = minute - (second < 0), second % 60
    hour, minute = hour - (minute < 0), minute % 60
    day, hour = day - (hour < 0), hour % 24
    if day < 0:
        day, month = day + days_in(start.month, start.year), month - 1
    return year - (month < 0), month % 12, day, hour, minute, second


def _parse(layout: Value, value: Value) -> int:
    wanted, text = string_operand(layout, 1), string_operand(value, 2)
    return _in_range(*parse_time(_as_bytes(text), _layout("time.parse_ns", _as_bytes(wanted))))


def _parse_rfc3339(value: Value) -> int:
    return _in_range(*parse_time(_as_bytes(string_operand(value, 1)), read_layout("RFC3339")))


def _layout(name: str, text: str) -> Layout:
    if len(text) > _LONGEST_LAYOUT:
        raise beyond_bounds(name, f"a layout of more than {_LONGEST_LAYOUT} characters")
    return read_layout(text)


def _as_bytes(text: str) -> str:
    """One character for each byte: Go counts those."""
    return text if text.isascii() else raw_of(text).decode("latin-1")


def _parse_duration(value: Value) -> int:
    return parse_duration(string_operand(value, 1))


FUNCTIONS: dict[str, Callable[..., Value]] = {
    "time.add_date": _add_date,
    "time.clock": _clock,
    "time.date": _date,
    "time.diff": _diff,
    "time.format": _format,
    "time.parse_duration_ns": _parse_duration,
    "time.parse_ns": _parse,
    "time.parse_rfc3339_ns": _parse_rfc3339,
    "time.weekday": _weekday,
}
