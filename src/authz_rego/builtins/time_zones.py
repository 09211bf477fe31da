"""Time zones of the IANA database: which offset and name hold at an instant. Not the rules at its end (`zone_rules`).

The system's database first and that of the package `tzdata` then, read whole when the first zone is asked for: who
decides may be unable to open a file later. "Local" is UTC here: a decision must not depend on the machine's own zone.
"""

from __future__ import annotations

import os
import struct
import zoneinfo
from bisect import bisect_right
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.util import find_spec
from typing import Final, NamedTuple

from authz_rego.builtins.zone_rules import Rules, parse_rules
from authz_rego.errors import BuiltinError

_FIRST: Final = -(2**63)
_LAST: Final = 2**63 - 1
_LARGEST_FILE: Final = 10 << 20
_MAGIC: Final = b"TZif"
_HEADER: Final = struct.Struct(">4sc15x6L")


class Offset(NamedTuple):
    """What holds from `start` to before `end` (seconds since 1970)."""

    name: str
    seconds: int  # east of UTC
    start: int
    end: int


class _Kind(NamedTuple):
    name: str
    seconds: int
    is_summer: bool


@dataclass(frozen=True, slots=True)
class Zone:
    """A zone's history. `kinds` holds each sort of time it ever had, `changes` when which of them began."""

    kinds: tuple[_Kind, ...]
    times: tuple[int, ...]
    indexes: tuple[int, ...]
    rules: Rules | None = None

    def at(self, seconds: int) -> Offset:
        """What holds at an instant."""
        place = bisect_right(self.times, seconds)
        if place == 0:
            kind = self._before_everything()
            return Offset(kind.name, kind.seconds, _FIRST, self.times[0])
        start = self.times[place - 1]
        if place == len(self.times) and self.rules is not None:
            return Offset(*self.rules.at(seconds, start))
        kind = self.kinds[self.indexes[place - 1]]
        return Offset(kind.name, kind.seconds, start, self.times[place] if place < len(self.times) else _LAST)

    def _before_everything(self) -> _Kind:
        """As localtime.c has it: the first kind unless a change names it, else one that is not summer time."""
        if 0 not in self.indexes:
            return self.kinds[0]
        first = self.indexes[0]
        earlier = self.kinds[:first][::-1] if self.kinds[first].is_summer else ()
        return next((kind for kind in (*earlier, *self.kinds) if not kind.is_summer), self.kinds[0])


UTC: Final = Zone((_Kind("UTC", 0, False),), (_FIRST,), (0,))


def require_zone(name: str) -> Zone:
    """The zone of that name; raises BuiltinError when there is none."""
    if name in {"", "UTC", "Local"}:
        return UTC
    if ".." in name or name[0] in "/\\":
        raise BuiltinError("time: invalid location name")
    return _load(name)


@lru_cache(maxsize=128)
def _load(name: str) -> Zone:
    for folder in database():
        zone = _read(folder, name)
        if zone is not None:
            return zone
    raise BuiltinError(f"unknown time zone {name}")


@cache
def database() -> tuple[Mapping[str, bytes], ...]:
    """Each folder's files, by their names below it: 1.3 MiB, for many names stand for the same zone."""
    seen: dict[bytes, bytes] = {}
    return tuple(_files(folder, seen) for folder in (*zoneinfo.TZPATH, *_packaged()))


def _files(folder: str, seen: dict[bytes, bytes]) -> dict[str, bytes]:
    """Contents that were `seen` are kept once."""
    found = {}
    for above, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(above, name)  # noqa: PTH118 - a Path for each of 1,800 takes 30 ms
            with suppress(OSError), open(path, "rb", buffering=0) as file:  # noqa: PTH123
                # As much as there is: what is read into more room stays in a page of its own, 5 MiB together.
                content = file.read(min(os.fstat(file.fileno()).st_size, _LARGEST_FILE))
                if content.startswith(_MAGIC):
                    found[path[len(folder) :].lstrip("/")] = seen.setdefault(content, content)
    return found


def _packaged() -> tuple[str, ...]:
    spec = find_spec("tzdata")
    if spec is None or spec.submodule_search_locations is None:
        return ()
    return tuple(f"{place}/zoneinfo" for place in spec.submodule_search_locations)


def _read(folder: Mapping[str, bytes], name: str) -> Zone | None:
    """None when there is no such file, or it is no such database's."""
    # As the kernel reads a path: a dot within it is nothing, and one at its end wants a folder.
    steps = [step for step in name.split("/") if step not in {"", "."}]
    content = folder.get("/".join(steps))
    if content is None or not name.endswith(steps[-1]):
        return None
    try:
        return _parse(content)
    except (ValueError, struct.error, IndexError):
        return None


def _parse(content: bytes) -> Zone:
    """A file as RFC 9636 describes it, of version 1 to 3; raises ValueError, IndexError or struct.error for others."""
    version, counts = _header(content, 0)
    start, width = _HEADER.size, 4
    if version != b"\0":
        start += _block_size(counts, 4)
        _, counts = _header(content, start)
        start, width = start + _HEADER.size, 8
    end = start + _block_size(counts, width)
    if end > len(content):
        raise ValueError("too short")
    _utc_flags, _standard_flags, _leaps, changes, kinds, letters = counts
    if not kinds:
        raise ValueError("a zone without any kind of time")
    times = struct.unpack_from(f">{changes}{'q' if width == 8 else 'l'}", content, start)
    start += changes * width
    indexes = tuple(content[start : start + changes])
    start += changes
    names = content[start + kinds * 6 : start + kinds * 6 + letters]
    found = tuple(_kind(entry, names) for entry in struct.iter_unpack(">l?B", content[start : start + kinds * 6]))
    if any(index >= kinds for index in indexes):
        raise ValueError("a change to a kind of time that is not there")
    footer = content[end:]
    text = footer[1:-1].decode("latin-1") if len(footer) > 2 and footer[:1] == footer[-1:] == b"\n" else ""
    return Zone(found, times or (_FIRST,), indexes or (0,), parse_rules(text))


def _header(content: bytes, start: int) -> tuple[bytes, tuple[int, ...]]:
    magic, version, *counts = _HEADER.unpack_from(content, start)
    if start == 0 and (magic != _MAGIC or version not in {b"\0", b"2", b"3"}):
        raise ValueError("not a time zone")
    return version, tuple(counts)


def _block_size(counts: tuple[int, ...], width: int) -> int:
    utc_flags, standard_flags, leaps, changes, kinds, letters = counts
    return changes * (width + 1) + kinds * 6 + letters + leaps * (width + 4) + standard_flags + utc_flags


def _kind(entry: tuple[int, bool, int], names: bytes) -> _Kind:
    seconds, is_summer, place = entry
    if place >= len(names):
        raise ValueError("a name that is not there")
    return _Kind(names[place:].partition(b"\0")[0].decode("latin-1"), seconds, is_summer)
