"""Whatever breaks while a record is written, the chain tells it, and only what is on record is acknowledged."""

import os
import signal
from pathlib import Path

import pytest
from tests.processes.audit.test_sink import disk_with_room_for
from tests.support.audit_files import Desk, explained, found, record, verified

from authz_service.audit.chain import Chain
from authz_service.audit.sink import AuditSink
from authz_service.audit.writer import AuditWriter
from authz_service.errors import AuditTorn, AuditUnavailable


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def intact(desk: Desk) -> bool:
    return verified(desk.file, heads=desk.heads()).problems == []


def test_records_are_numbered_and_chained(desk: Desk) -> None:
    desk.write(3)

    assert [record["seq"] for record in desk.records()] == [1, 2, 3]
    assert intact(desk)


def test_a_full_disk_refuses_and_is_recorded_with_the_next_record(desk: Desk) -> None:
    """With how many, since when, and why."""
    writer = desk.write(1)
    with disk_with_room_for(desk.file.stat().st_size):
        for number in (2, 3):
            with pytest.raises(AuditUnavailable, match="File too large"):
                writer.write(record(number))
    writer.write(record(4))

    _, gap, last = desk.records()
    assert (gap["event"], gap["lost"], gap["passed"], gap["uncertain"], gap["after_seq"]) == ("audit_gap", 2, 0, 0, 1)
    assert (gap["service"], gap["zone"]) == ("order-service", "zone2")
    assert gap["since"] <= gap["time"]
    assert "File too large" in gap["error"]
    assert (gap["seq"], last["seq"], last["number"]) == (2, 3, 4)
    assert explained(verified(desk.file)) == [("lost", 2)]
    assert intact(desk)


def test_allowed_requests_that_went_on_are_counted_apart(desk: Desk) -> None:
    """audit.on_failure: continue."""
    writer = desk.writer()
    with disk_with_room_for(0):
        for passes in (True, False, True):
            with pytest.raises(AuditUnavailable):
                writer.write(record(1), passes=passes)
    writer.write(record(2))

    assert (desk.records()[0]["lost"], desk.records()[0]["passed"]) == (3, 2)


def test_losses_are_recorded_without_another_request(desk: Desk) -> None:
    """About once a second it is tried again."""
    writer = desk.writer()
    with disk_with_room_for(0):
        with pytest.raises(AuditUnavailable):
            writer.write(record(1))
        writer.look_after()
    assert desk.lines() == []
    writer.look_after()
    writer.look_after()

    assert [record["event"] for record in desk.records()] == ["audit_gap"]


@pytest.mark.parametrize("size", [*range(1, 14), 60, 120])
def test_a_line_that_was_torn_by_a_full_disk_is_explained(desk: Desk, size: int) -> None:
    """Also one of which less is left than records begin with. It is no line of somebody else."""
    writer = desk.write(1)
    with disk_with_room_for(desk.file.stat().st_size + size), pytest.raises(AuditUnavailable):
        writer.write(record(2))
    writer.write(record(3))

    assert intact(desk)
    report = verified(desk.file)
    assert ("lost", 3) in explained(report)
    assert (("torn", 2) in explained(report)) == (size > 1)
    assert report.foreign == 0


class _TornAtItsEnd(AuditSink):
    """Takes a record but for its line feed, and says that it could not, as a socket may."""

    def write(self, line: bytes) -> None:
        super().write(line[:-1])
        self._torn = True
        raise AuditTorn("written in part")


def test_a_number_that_may_be_there_is_not_used_again(desk: Desk) -> None:
    """Else two records would have it."""
    desk.write(1)
    torn = AuditWriter(Chain(str(desk.memory), 0), _TornAtItsEnd(str(desk.file)))
    with pytest.raises(AuditTorn):
        torn.write(record(2))
    torn.write_to(AuditSink(str(desk.file)))
    torn.write(record(3))

    assert [record["seq"] for record in desk.records()] == [1, 2, 3, 4]
    assert desk.records()[2]["uncertain"] == 1
    assert intact(desk)


@pytest.mark.parametrize("part", [0, 1, 9, 40, -2, -1, None])
def test_a_worker_that_is_killed_in_mid_write_leaves_an_explained_chain(desk: Desk, part: int | None) -> None:
    """However much of the line is there; `None`: all of it. The next life ends the line and records the gap at once."""
    desk.write(2)
    child = os.fork()
    if child == 0:
        line = Chain(str(desk.memory), 0).seal(record(3))
        os.write(os.open(desk.file, os.O_WRONLY | os.O_APPEND), line[:part])
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    desk.write(2, start=4)

    report = verified(desk.file, heads=desk.heads())
    assert report.problems == []
    assert report.foreign == 0
    assert "uncertain" in [kind for kind, _ in explained(report)]
    assert sum(b'"audit_gap"' in line for line in desk.lines()) == 1
    whole = part in {-1, None}
    assert report.records == 5 + whole
    assert all(line.startswith(b"{") for line in desk.lines())


def test_another_workers_line_behind_a_torn_one_is_still_read(desk: Desk) -> None:
    """It comes before the successor of the killed one can end the line."""
    desk.write(1)
    line = Chain(str(desk.memory), 0).seal(record(2))
    other = desk.write(1, slot=1)
    with desk.file.open("ab") as file:
        file.write(line[:30])
    other.write(record(2))
    desk.write(1)

    report = verified(desk.file, heads=desk.heads())
    assert report.problems == []
    assert [writer.records for writer in report.writers.values()] == [3, 2]


def test_the_chain_goes_on_over_rotation_and_another_destination(desk: Desk, tmp_path: Path) -> None:
    writer = desk.write(2)
    old = desk.file.rename(tmp_path / "audit.jsonl.1")
    writer.write(record(3))
    writer.look_after()
    writer.write(record(4))
    writer.write_to(AuditSink(str(tmp_path / "other")))
    writer.write(record(5))
    files = (old, desk.file, tmp_path / "other")

    assert verified(*files, heads=desk.heads()).problems == []
    assert found(verified(old, tmp_path / "other")) == [("missing", 1, 4)]


def test_a_deleted_file_is_a_gap(desk: Desk) -> None:
    writer = desk.write(2)
    desk.file.unlink()
    writer.write(record(3))
    writer.look_after()
    writer.write(record(4))

    assert [record["seq"] for record in desk.records()] == [4]
    assert explained(verified(desk.file)) == [("begins", 1)]
