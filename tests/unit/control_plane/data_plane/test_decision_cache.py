"""What the control plane does for Envoy's decision cache: nothing is counted twice, or repeated too long, or lost."""

import json
import logging
import mmap
import os
import signal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.processes.audit.test_sink import disk_with_room_for
from tests.support.audit_files import explained, record, verified
from tests.support.decisions import rules

from authz_service.audit.chain import Chain, heads
from authz_service.control_plane.counters import Counters
from authz_service.control_plane.data_plane.cache_board import MAX_THREADS
from authz_service.control_plane.data_plane.decision_cache import CacheKeeper
from authz_service.control_protocol import DURATION_BUCKETS_US
from authz_service.domain.rules import GateRules
from authz_service.envoy.paths import StatePaths

ENVOY = 4711
NOW = 1_800_000_000.0
# Words of a thread, as the filter writes them.
REPEATED, DURATION_US, BUCKETS, NOT_WRITTEN, BROKEN, ENTRIES, PID = 0, 1, 2, 13, 14, 15, 16


class Ground:
    """A control plane's keeper, and what a thread of Envoy would write."""

    def __init__(self, folder: Path) -> None:
        self.paths = StatePaths(folder)
        for part in (self.paths.run, self.paths.audit_chain.parent):
            part.mkdir(exist_ok=True)
        self.file = folder / "audit.jsonl"
        self.rules: GateRules = rules(audit_path=str(self.file))
        self.now = NOW
        self.begin()

    def begin(self) -> None:
        """Another life of the control plane."""
        self.counters = Counters()
        self.keeper = CacheKeeper(self.paths, self.counters.add, lambda: self.now)
        self.keeper.begin(b"")
        with self.paths.decision_cache.open("r+b") as file:
            self._words = memoryview(mmap.mmap(file.fileno(), 0)).cast("Q")

    @property
    def epoch(self) -> int:
        return self._words[8]

    def put(self, word: int, value: int, thread: int = 0) -> None:
        self._words[(4096 + 256 * thread) // 8 + word] = value

    def word(self, word: int, thread: int = 0) -> int:
        return self._words[(4096 + 256 * thread) // 8 + word]

    def look(self, envoy: int | None = ENVOY) -> None:
        self.keeper.look(self.rules, envoy)

    def counted(self) -> tuple[int, int, int, int]:
        found = self.counters
        return found.decisions["allow", "allowed"], found.memory["repeated"], found.duration_us, sum(found.buckets)

    def write(self, count: int, thread: int = 0) -> Chain:
        """What the cache repeats."""
        chain = Chain(str(self.paths.envoy_chain), thread)
        with self.file.open("ab") as file:
            for number in range(count):
                file.write(chain.seal(record(number)))
                chain.written()
        return chain

    def write_in_part(self, size: int = 30) -> None:
        chain = self.write(2)
        line = chain.seal(record(7))
        with self.file.open("ab") as file:
            file.write(line[:size])
        chain.close()
        self.put(BROKEN, 1)

    def records(self) -> list[dict[str, Any]]:
        """Those that can be read."""
        found = []
        for line in self.file.read_bytes().splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
        return found

    def problems(self) -> list[str]:
        known = {head.writer: head for head in heads(self.paths.envoy_chain)}
        return [finding.kind for finding in verified(self.file, heads=known).problems]


def open_files() -> int:
    return len([*Path("/proc/self/fd").iterdir()])


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path)


def test_without_a_filter_nothing_happens(ground: Ground) -> None:
    ground.look()

    assert ground.counted() == (0, 0, 0, 0)
    assert list(ground.keeper.degraded()) == []
    assert [gauge.values for gauge in ground.keeper.gauges()] == [{"": 0.0}]
    assert not ground.file.exists()
    for file in (ground.paths.decision_cache, ground.paths.envoy_chain):
        assert file.stat().st_mode & 0o777 == 0o600
        assert file.stat().st_blocks * 512 >= file.stat().st_size  # a hole would be SIGBUS on a full disk


def test_it_can_be_asked_before_it_begins(tmp_path: Path) -> None:
    """Where nothing comes in there is no such filter, and no folder for it."""
    keeper = CacheKeeper(StatePaths(tmp_path), Counters().add, lambda: NOW)

    assert keeper.raise_epoch() < keeper.raise_epoch()
    keeper.look(rules(), None)
    assert list(tmp_path.iterdir()) == []


class TestEpoch:
    def test_nothing_is_repeated_before_the_first_rules(self, ground: Ground) -> None:
        assert ground.epoch == 0

    def test_it_is_shown_before_anybody_is_told(self, ground: Ground) -> None:
        epochs = [ground.keeper.raise_epoch() for _ in range(3)]

        assert epochs == sorted(set(epochs))
        assert ground.epoch == epochs[-1]

    @pytest.mark.parametrize("later", [0.0, 5.0, -3600.0], ids=["at once", "later", "the clock was set back"])
    def test_no_life_uses_one_of_an_earlier_life(self, ground: Ground, later: float) -> None:
        """An Envoy and workers of then may still be there."""
        earlier = [ground.keeper.raise_epoch() for _ in range(50)]
        ground.now += later
        ground.begin()

        assert ground.epoch == 0
        assert ground.keeper.raise_epoch() > max(earlier)

    def test_it_is_shown_to_an_envoy_of_an_earlier_life(self, ground: Ground) -> None:
        """In the same file."""
        words = ground._words
        ground.keeper.raise_epoch()
        ground.begin()

        assert words[8] == 0
        ground.keeper.raise_epoch()
        assert words[8] == ground.epoch

    @pytest.mark.parametrize("found", [b"", b"x" * 20_480, b"authz decision cache 1\n"])
    def test_what_is_no_board_is_made_anew(self, ground: Ground, found: bytes) -> None:
        ground.paths.decision_cache.write_bytes(found)
        ground.begin()

        assert ground.paths.decision_cache.stat().st_size == 4096 + MAX_THREADS * 256
        assert ground.keeper.raise_epoch() == ground.epoch


class TestCounters:
    def test_what_was_repeated_is_counted_once(self, ground: Ground) -> None:
        """With the workers' own, in each thread."""
        for thread in (0, MAX_THREADS - 1):
            ground.put(REPEATED, 3, thread)
            ground.put(DURATION_US, 70, thread)
            ground.put(BUCKETS, 2, thread)
            ground.put(BUCKETS + len(DURATION_BUCKETS_US), 1, thread)
        ground.look()

        assert ground.counted() == (6, 6, 140, 6)
        assert (ground.counters.buckets[0], ground.counters.buckets[-1]) == (4, 2)
        ground.look()
        assert ground.counted() == (6, 6, 140, 6)
        ground.put(REPEATED, 4)
        ground.look()
        assert ground.counted() == (7, 7, 140, 6)

    def test_another_envoy_counts_on(self, ground: Ground) -> None:
        ground.put(REPEATED, 3)
        ground.look(ENVOY)
        ground.put(REPEATED, 5)
        ground.look(ENVOY + 1)

        assert ground.counted()[0] == 5

    def test_what_an_earlier_control_plane_counted_is_not_counted_again(self, ground: Ground) -> None:
        ground.put(REPEATED, 3)
        ground.begin()
        ground.look()
        assert ground.counted()[0] == 0

        ground.put(REPEATED, 4)
        ground.look()
        assert ground.counted()[0] == 1

    def test_a_counter_that_falls_takes_nothing_away(self, ground: Ground) -> None:
        ground.put(REPEATED, 3)
        ground.look()
        ground.put(REPEATED, 1)
        ground.look()

        assert ground.counted()[0] == 3

    def test_records_that_were_not_written_are_told(self, ground: Ground, caplog: pytest.LogCaptureFixture) -> None:
        """And no failure of the audit: a worker was asked, and has written its own, or counts that it could not."""
        ground.put(NOT_WRITTEN, 2)
        with caplog.at_level(logging.WARNING):
            ground.look()
            ground.look()

        assert [entry.message for entry in caplog.records] == ["decision_cache_cannot_record"]
        assert ground.counters.audit_failures == 0
        assert ground.counted() == (0, 0, 0, 0)

    def test_only_the_living_envoy_has_entries(self, ground: Ground) -> None:
        for thread, pid in ((0, ENVOY), (1, ENVOY), (2, ENVOY - 1)):
            ground.put(ENTRIES, 10 + thread, thread)
            ground.put(PID, pid, thread)

        ground.look()
        assert [gauge.values for gauge in ground.keeper.gauges()] == [{"": 21.0}]
        ground.look(None)
        assert [gauge.values for gauge in ground.keeper.gauges()] == [{"": 0.0}]


class TestMending:
    @pytest.mark.parametrize("size", [0, 1, 30, 10_000], ids=["nothing of it", "a byte", "a part", "all of it"])
    def test_a_gap_is_recorded_and_the_thread_goes_on(self, ground: Ground, size: int) -> None:
        """Whatever was written of the record: its number is not used again, and nothing is glued to it."""
        ground.write_in_part(size)
        ground.look()

        assert ground.word(BROKEN) == 0
        assert list(ground.keeper.degraded()) == []
        gap = ground.records()[-1]
        assert (gap["event"], gap["after_seq"], gap["uncertain"], gap["lost"]) == ("audit_gap", 2, 1, 0)
        assert (gap["service"], gap["zone"]) == ("order-service", "zone2")
        ground.write(1)
        assert ground.problems() == []
        assert "uncertain" in [kind for kind, _ in explained(verified(ground.file))]

    def test_another_thread_is_left_alone(self, ground: Ground) -> None:
        ground.write_in_part()
        ground.write(1, thread=1)
        ground.look()

        assert [head.seq for head in heads(ground.paths.envoy_chain)] == [4, 1]

    def test_what_is_not_broken_is_left_alone(self, ground: Ground) -> None:
        """The cache may be in the middle of a record."""
        ground.write(1).seal(record(2))
        ground.look()

        assert [each["event"] for each in ground.records()] == ["access"]

    def test_the_chain_is_let_go(self, ground: Ground) -> None:
        """Another process gets hold of it."""
        ground.write_in_part()
        ground.look()

        child = os.fork()
        if child == 0:
            Chain(str(ground.paths.envoy_chain), 0)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0

    def test_while_its_chain_is_held_it_stays_broken(self, ground: Ground) -> None:
        ground.write_in_part()
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            kept = Chain(str(ground.paths.envoy_chain), 0)
            os.write(writer, kept.writer.encode())
            signal.pause()
        os.read(reader, 100)
        try:
            ground.look()
            assert ground.word(BROKEN) == 1
        finally:  # else a failure would leave it behind
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        ground.look()
        assert ground.word(BROKEN) == 0
        os.close(reader)
        os.close(writer)

    def test_without_a_destination_it_stays_broken_and_that_is_said_once(
        self, ground: Ground, caplog: pytest.LogCaptureFixture
    ) -> None:
        """And nothing of ours stays open meanwhile."""
        ground.write_in_part()
        away = ground.file.parent / "away" / "audit.jsonl"
        ground.rules = msgspec.structs.replace(ground.rules, audit_path=str(away))
        with caplog.at_level(logging.WARNING):
            ground.look()
            opened = open_files()
            for _ in range(3):
                ground.look()

        assert open_files() == opened
        assert ground.word(BROKEN) == 1
        assert "audit destination" in next(iter(ground.keeper.degraded()))
        assert [entry.message for entry in caplog.records] == ["decision_cache_broken"]
        away.parent.mkdir()
        ground.look()
        assert (ground.word(BROKEN), list(ground.keeper.degraded())) == (0, [])

    def test_a_full_disk_gets_no_gap_but_an_ended_line(self, ground: Ground) -> None:
        """So that no worker's record is glued to it."""
        ground.write_in_part()
        torn = ground.file.read_bytes()
        with disk_with_room_for(len(torn)):
            ground.look()
        assert ground.word(BROKEN) == 1
        assert "File too large" in next(iter(ground.keeper.degraded()))
        assert ground.file.read_bytes() == torn[:-1] + b"\n"

        ground.look()
        assert (ground.word(BROKEN), ground.problems()) == (0, [])

    def test_garbage_in_its_memory_ends_nobody_else(self, ground: Ground) -> None:
        """Who took Envoy over may write there."""
        ground.write(1, thread=1)
        with ground.paths.envoy_chain.open("r+b") as file:
            file.seek(64)
            file.write(b"\xff" * 12)
            file.seek(4096)
            file.write(b"\xff" * 256)
        ground.put(BROKEN, 1)
        ground.look()

        assert ground.word(BROKEN) == 1
        assert len(list(ground.keeper.degraded())) == 1
        assert len(heads(ground.paths.envoy_chain)) == 2
