"""The filter and the control plane's side of it, by the very files that they share."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.module.ground import Board, Ground, permit
from tests.module.host import GOOD, Host
from tests.support.audit_files import verified
from tests.support.decisions import rules

from authz_service.audit.chain import heads
from authz_service.control_plane.counters import Counters
from authz_service.control_plane.data_plane.decision_cache import CacheKeeper
from authz_service.envoy.paths import StatePaths

_REPLACING_NOTHING = b"x-user-id: u-1\r\n"


class Kept(Ground):
    """The files of a state directory, which a keeper has prepared."""

    def __post_init__(self) -> None:
        self.paths = StatePaths(self.folder)
        for part in (self.paths.run, self.paths.audit_chain.parent):
            part.mkdir()
        self.audit.touch()
        self.counters = Counters()
        self.keeper = CacheKeeper(self.paths, self.counters.add, time.time)
        self.board = Board(self.paths.decision_cache)  # as an earlier life has left it
        self.keeper.begin(self.key)

    @property
    def chain(self) -> Path:
        return self.paths.envoy_chain

    def look(self, host: Host) -> None:
        self.keeper.look(rules(audit_path=str(self.audit)), host.pid)

    def problems(self) -> list[str]:
        known = {head.writer: head for head in heads(self.chain)}
        return [finding.kind for finding in verified(self.audit, secrets=[self.key], heads=known).problems]


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path)


@pytest.fixture
def host(program: Path, kept: Kept) -> Iterator[Host]:
    with Host(program, kept) as one:
        yield one


def _learn(host: Host, epoch: int) -> None:
    host.learn(GOOD, permit(epoch, headers=_REPLACING_NOTHING))


def test_nothing_is_repeated_of_before_the_first_rules_nor_after_the_next(host: Host, kept: Kept) -> None:
    """The control plane shows each epoch, and a permit is of one."""
    _learn(host, 0)
    at_first = host.many(1)
    epoch = kept.keeper.raise_epoch()
    _learn(host, epoch - 1)
    of_before = host.many(1)
    _learn(host, epoch)
    of_now = host.many(2)
    kept.keeper.raise_epoch()

    assert (at_first, of_before, of_now, host.many(1)) == (0, 0, 2, 0)


def test_what_it_repeats_is_counted_with_what_workers_do(host: Host, kept: Kept) -> None:
    _learn(host, kept.keeper.raise_epoch())
    assert host.many(3) == 3
    kept.look(host)

    assert kept.counters.decisions["allow", "allowed"] == kept.counters.memory["repeated"] == 3
    assert sum(kept.counters.buckets) == 3
    assert [gauge.values for gauge in kept.keeper.gauges()] == [{"": 1.0}]
    assert host.many(1) == 1
    kept.look(host)
    assert kept.counters.memory["repeated"] == 4


def test_after_a_record_in_part_it_goes_on_when_the_gap_is_on_record(host: Host, kept: Kept) -> None:
    """And not before, though there is room again."""
    _learn(host, kept.keeper.raise_epoch())
    assert host.many(2) == 2
    host.limit_files(kept.audit.stat().st_size + 10)
    torn = host.many(2)
    host.limit_files(None)
    host.move_clocks(0, 2)
    meanwhile = host.many(2)
    kept.look(host)
    host.move_clocks(0, 4)
    after = host.many(2)

    assert (torn, meanwhile, after) == (0, 0, 2)
    assert list(kept.keeper.degraded()) == []
    assert kept.problems() == []
    records = [json.loads(line) for line in kept.audit.read_bytes().splitlines() if line.endswith(b"}")]
    assert [record["event"] for record in records] == ["access", "access", "audit_gap", "access", "access"]
    assert [record["seq"] for record in records] == [1, 2, 4, 5, 6]


def test_what_a_killed_envoy_was_writing_is_on_record_for_the_next(program: Path, host: Host, kept: Kept) -> None:
    epoch = kept.keeper.raise_epoch()
    _learn(host, epoch)
    assert host.many(2) == 2
    host.kill()
    words = memoryview(bytearray(kept.chain.read_bytes())).cast("Q")
    begun = (4096 + 8) // 8
    with kept.chain.open("r+b") as file:  # it had noted the next record, and not written it
        file.seek(begun * 8)
        file.write((words[begun] + 1).to_bytes(8, sys.byteorder))
    with Host(program, kept) as next_one:
        _learn(next_one, epoch)
        found = next_one.many(1)
        kept.look(next_one)
        next_one.move_clocks(0, 2)
        after = next_one.many(1)

    assert (found, after) == (0, 1)
    assert kept.problems() == []
