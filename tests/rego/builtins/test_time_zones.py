"""Zones from files of the IANA's form, good ones and others."""

import struct
import sys
import zoneinfo
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from authz_rego.builtins.go_calendar import Clock, Date
from authz_rego.builtins.go_layouts import Moment, read_layout, write_time
from authz_rego.builtins.time_zones import UTC, Zone, database, require_zone
from authz_rego.errors import BuiltinError

YEAR = 365 * 86_400


def a_file(
    *,
    magic: bytes = b"TZif2",
    kinds: tuple[tuple[int, int, int], ...] = ((3600, 0, 0), (7200, 1, 4)),
    names: bytes = b"ONE\0TWO\0",
    changes: tuple[tuple[int, int], ...] = ((YEAR, 1), (2 * YEAR, 0)),
    footer: bytes = b"\n\n",
) -> bytes:
    """One hour east of UTC, and two hours east for the year 1971."""
    counts = struct.pack(">6L", 0, 0, 0, len(changes), len(kinds), len(names))
    times = b"".join(struct.pack(">q", time) for time, _ in changes) + bytes(kind for _, kind in changes)
    entries = b"".join(struct.pack(">lBB", *kind) for kind in kinds)
    empty = b"TZif2" + bytes(15) + struct.pack(">6L", 0, 0, 0, 0, 0, 0)
    return empty.replace(b"TZif2", magic) + b"TZif2" + bytes(15) + counts + times + entries + names + footer


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Callable[[bytes], Zone]]:
    """Makes a zone of a file's content; each gets a name of its own, as zones are kept."""
    before = zoneinfo.TZPATH
    zoneinfo.reset_tzpath([str(tmp_path)])

    def load(content: bytes) -> Zone:
        name = f"Test/{tmp_path.name}{len([*tmp_path.glob('Test/*')])}"
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
        database.cache_clear()
        return require_zone(name)

    yield load
    zoneinfo.reset_tzpath(before)
    database.cache_clear()


@pytest.mark.parametrize(
    ("seconds", "name", "offset"),
    [
        (-(10**12), "ONE", 3600),
        (YEAR - 1, "ONE", 3600),
        (YEAR, "TWO", 7200),
        (2 * YEAR, "ONE", 3600),
        (10**12, "ONE", 3600),
    ],
)
def test_what_a_zone_s_file_says_holds(load: Callable[[bytes], Zone], seconds: int, name: str, offset: int) -> None:
    """From each change on, and before the first one."""
    assert load(a_file()).at(seconds)[:2] == (name, offset)


@pytest.mark.parametrize(
    ("footer", "january", "july"),
    [
        (b"\nCET-1CEST,M3.5.0,M10.5.0/3\n", ("CET", 3600), ("CEST", 7200)),
        (b"\nAEST-10AEDT,M10.1.0,M4.1.0/3\n", ("AEDT", 39_600), ("AEST", 36_000)),
        (b"\nEST5EDT\n", ("EST", -18_000), ("EDT", -14_400)),
        (b"\n<+0530>-5:30\n", ("+0530", 19_800), ("+0530", 19_800)),
        (b"\nAAA0BBB,J60/0,J300/0\n", ("AAA", 0), ("BBB", 3600)),
        (b"\nAAA0BBB-2,59/0,299/0\n", ("AAA", 0), ("BBB", 7200)),
        (b"\nAAA0BBB,J0,J300\n", ("ONE", 3600), ("ONE", 3600)),
        (b"\nAAA0BBB,M13.1.0,M4.1.0\n", ("ONE", 3600), ("ONE", 3600)),
        (b"\nAA0\n", ("ONE", 3600), ("ONE", 3600)),
        (b"\nAAA\n", ("ONE", 3600), ("ONE", 3600)),
        (b"\nAAA200\n", ("ONE", 3600), ("ONE", 3600)),
        (b"\nAAA0BBB,M3.5.0\n", ("ONE", 3600), ("ONE", 3600)),
        (b"", ("ONE", 3600), ("ONE", 3600)),
    ],
)
def test_the_rules_at_the_end_hold_afterwards(
    load: Callable[[bytes], Zone], footer: bytes, january: tuple[str, int], july: tuple[str, int]
) -> None:
    """Unless there are none, or they make no sense: then what was last holds on."""
    zone = load(a_file(footer=footer))
    assert zone.at(1_736_899_200)[:2] == january
    assert zone.at(1_752_537_600)[:2] == july


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"TZif",
        a_file()[:-12],
        a_file(magic=b"TZif4"),
        a_file(magic=b"ZZif2"),
        a_file(kinds=(), changes=()),
        a_file(changes=((0, 2),)),
        a_file(kinds=((0, 0, 9),), changes=()),
        b"TZif2" + bytes(15) + b"\xff" * 24,
    ],
)
def test_a_file_of_another_form_is_no_zone(load: Callable[[bytes], Zone], content: bytes) -> None:
    """The good one is."""
    assert load(a_file()).kinds
    with pytest.raises(BuiltinError):
        load(content)


def test_a_zone_without_changes_is_always_the_same(load: Callable[[bytes], Zone]) -> None:
    """And a zone without a file is UTC only by these names."""
    assert load(a_file(changes=())).at(0)[:2] == ("ONE", 3600)
    assert require_zone("") is require_zone("UTC") is require_zone("Local") is UTC
    with pytest.raises(BuiltinError):
        require_zone("utc!")


@pytest.mark.parametrize(
    ("offset", "text"),
    [(-52, "+0000-52 +00:00 +00"), (52, "+000052 +00:00 +00"), (-112, "-000152 -00:01 -00"), (0, "Z Z Z")],
)
def test_an_offset_of_seconds_alone_has_its_sign_where_go_puts_it(offset: int, text: str) -> None:
    """As it was in Accra before 1918: Go looks at the sign of the minutes, which are none."""
    moment = Moment(Date(1900, 1, 1), 1, Clock(0, 0, 0), 0, "LMT", offset)
    assert write_time(moment, read_layout("Z070000 Z07:00 Z07")) == text


def test_a_machine_without_zones_has_those_of_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A zone that neither the system nor the package `tzdata` has is none."""
    (tmp_path / "tzdata" / "zoneinfo").mkdir(parents=True)
    (tmp_path / "tzdata" / "__init__.py").touch()
    (tmp_path / "tzdata" / "zoneinfo" / "Packaged").write_bytes(a_file())
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "tzdata", raising=False)
    before = zoneinfo.TZPATH
    zoneinfo.reset_tzpath([])
    database.cache_clear()
    try:
        assert require_zone("Packaged").at(0)[:2] == ("ONE", 3600)
        with pytest.raises(BuiltinError):
            require_zone("Unpackaged")
    finally:
        zoneinfo.reset_tzpath(before)
        database.cache_clear()
