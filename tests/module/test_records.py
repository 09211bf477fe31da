"""Each repeated allow has its own sealed record, written before the request goes on; without it the gate is asked."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import tempfile
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest
from tests.module.ground import EPOCH, KEY, Ground, permit
from tests.module.host import GOOD, Host

from authz_service.audit.chain import Chain, Head, heads
from authz_service.audit.destinations import OwnDestinations
from authz_service.audit.seal import KEY_SPAN
from authz_service.audit.sink import AuditSink
from authz_service.audit.verify import Place, Verifier
from authz_service.errors import AuditUnavailable


def _leaving_the_key() -> bytes:
    """A permit for requests that are asked about many times: nothing that is part of the key is changed."""
    return permit(headers=b"x-user-id: u-1\r\n")


def _verified(ground: Ground, *, secret: bytes = KEY, head: Head | None = None) -> Verifier:
    """As `authz audit verify` does, against the memory that the filter has left."""
    verifier = Verifier([secret], heads={one.writer: one for one in ([head] if head else heads(ground.chain))})
    for number, line in enumerate(ground.audit.read_bytes().splitlines(keepends=True), 1):
        verifier.read(Place("audit.jsonl", number), line)
    verifier.finish()
    return verifier


def test_a_record_says_what_the_permit_says_and_what_is_new(host: Host, ground: Ground) -> None:
    """Its fields in the order of any other record."""
    before = datetime.now(UTC)
    host.learn(GOOD)
    assert host.known(GOOD.but(correlation_ids=("c-2",)))
    (line,) = ground.audit.read_text().splitlines()
    record = json.loads(line)

    assert list(record) == [
        "time", "level", "service", "event", "decision", "decision_id", "correlation_id", "method", "path",
        "duration_us", "policy_audit", "shadow", "truncated", "repeats", "writer", "seq", "chain",
    ]  # fmt: skip
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record["time"])
    assert abs((datetime.fromisoformat(record["time"]) - before).total_seconds()) < 60
    assert re.fullmatch("[0-9a-f]{32}", record["decision_id"])
    assert (record["correlation_id"], record["repeats"], record["seq"]) == ("c-2", "5f", 1)
    assert record["duration_us"] >= 0


def test_each_record_has_a_decision_id_of_its_own(host: Host, ground: Ground) -> None:
    """Also beyond what is drawn by chance at once."""
    host.learn(GOOD, _leaving_the_key())
    assert host.many(200) == 200

    assert len({json.loads(line)["decision_id"] for line in ground.audit.read_text().splitlines()}) == 200


def test_the_chain_is_the_one_that_audit_verify_follows(host: Host, ground: Ground) -> None:
    """Over the border where the key moves on, with the head in memory; another key proves nothing."""
    host.learn(GOOD, _leaving_the_key())
    assert host.many(KEY_SPAN + 10) == KEY_SPAN + 10
    good, other = _verified(ground), _verified(ground, secret=b"another")

    (writer,) = good.writers.values()
    assert good.problems == []
    assert (writer.records, writer.linked, writer.end) == (KEY_SPAN + 10, KEY_SPAN + 10, "confirmed")
    assert other.problems


def test_python_writes_on_where_the_filter_ended_and_the_other_way_round(
    program: Path, ground: Ground, host: Host
) -> None:
    """One chain over three writers, across the border of a key."""
    host.learn(GOOD, _leaving_the_key())
    assert host.many(KEY_SPAN - 1) == KEY_SPAN - 1
    host.kill()
    chain = Chain(str(ground.chain), 0)
    assert not chain.broken
    with ground.audit.open("ab") as file:
        for _ in range(3):
            file.write(chain.seal(b'{"time":"2026-01-01T00:00:00.000Z","event":"access","decision":"allow"}\n'))
            chain.written()
    _release(chain)
    with Host(program, ground) as next_one:
        next_one.learn(GOOD, _leaving_the_key())
        assert next_one.many(2) == 2

    verifier = _verified(ground)
    (writer,) = verifier.writers.values()
    assert verifier.problems == []
    assert (writer.records, writer.end) == (KEY_SPAN + 4, "confirmed")


def _release(chain: Chain) -> None:
    os.close(chain._lock)


def test_each_thread_has_its_own_chain(host: Host, ground: Ground) -> None:
    """Named by its slot."""
    for worker in (0, 1, 63):
        host.learn(GOOD.but(worker=worker), _leaving_the_key())
        assert host.many(2, GOOD.but(worker=worker)) == 2

    verifier = _verified(ground)
    assert verifier.problems == []
    assert sorted(name.rpartition("-")[2] for name in verifier.writers) == ["0", "1", "63"]
    assert [ground.board.told("repeated", slot) for slot in (0, 1, 2, 63)] == [2, 2, 0, 2]


def test_durations_are_counted_as_the_workers_count_theirs(host: Host, ground: Ground) -> None:
    """In the buckets of `DURATION_BUCKETS_US`, each request in one of them."""
    host.learn(GOOD, _leaving_the_key())
    host.freeze_clocks()
    host.many(3)

    assert ground.board.buckets() == [3] + [0] * 10
    assert (ground.board.told("repeated"), ground.board.told("durations")) == (3, 0)


# ---- Time and epoch ----


def test_a_raised_epoch_ends_every_repetition_at_once(host: Host, ground: Ground) -> None:
    """And 0 permits none at all; what was permitted under an older one never comes back."""
    host.learn(GOOD)
    assert host.known(GOOD)
    ground.board.epoch = EPOCH + 1
    raised = host.known(GOOD)
    ground.board.epoch = EPOCH
    lowered = host.known(GOOD)
    host.learn(GOOD)
    ground.board.epoch = 0
    off = host.known(GOOD)
    ground.board.epoch = EPOCH

    assert (raised, lowered, off) == (False, False, False)
    assert host.known(GOOD)


@pytest.mark.parametrize("moved", [120, 3600, -1, -3600])
def test_the_clock_must_be_between_arrival_and_end(host: Host, moved: float) -> None:
    """Also where it was set back. What is over is dropped."""
    host.freeze_clocks()
    host.learn(GOOD)
    host.move_clocks(30)
    before = host.known(GOOD)
    host.move_clocks(moved)
    then = host.known(GOOD)
    host.move_clocks(1)

    assert (before, then) == (True, False)
    assert not host.known(GOOD)


# ---- A destination that does not take it ----


def test_a_full_disk_leaves_the_request_to_the_gate_and_no_gap(host: Host, ground: Ground) -> None:
    """Nothing of the line was written: its number is used for the next one."""
    host.learn(GOOD, _leaving_the_key())
    assert host.many(2) == 2
    host.limit_files(ground.audit.stat().st_size)
    full = host.many(3)
    host.limit_files(None)
    again = host.many(2)

    assert (full, again) == (0, 2)
    assert (ground.board.told("not_written"), ground.board.told("broken"), ground.board.told("repeated")) == (3, 0, 4)
    verifier = _verified(ground)
    assert verifier.findings == []
    assert [writer.last_seq for writer in verifier.writers.values()] == [4]


def test_a_record_written_in_part_stops_everything_until_the_gap_is_recorded(host: Host, ground: Ground) -> None:
    """The lock is free for who mends it; then the filter reads anew where the chain ends, and goes on."""
    host.learn(GOOD, _leaving_the_key())
    assert host.many(2) == 2
    host.limit_files(ground.audit.stat().st_size + 10)
    torn = host.many(2)
    host.limit_files(None)
    host.move_clocks(0, 2)
    meanwhile = host.many(2)
    broken = ground.board.told("broken")
    _mend(ground)
    ground.board.mended()
    host.move_clocks(0, 4)
    after = host.many(2)

    assert (torn, meanwhile, after) == (0, 0, 2)
    assert (broken, ground.board.told("broken"), ground.board.told("repeated")) == (1, 0, 4)
    verifier = _verified(ground)
    assert verifier.problems == []
    assert {finding.kind for finding in verifier.findings} == {"torn", "uncertain"}


def _mend(ground: Ground, slot: int = 0) -> None:
    """As the control plane does: end the torn line, and record the gap in the chain of the slot."""
    destinations = OwnDestinations()
    descriptor, torn = destinations.open(str(ground.audit))
    if torn:
        assert destinations.mend(str(ground.audit), descriptor)
    os.close(descriptor)
    chain = Chain(str(ground.chain), slot)
    assert chain.broken
    line = b'{"time":"2026-01-01T00:00:00.000Z","event":"audit_gap","after_seq":%d,"after_chain":"%b","uncertain":%d}\n'
    gap = chain.gap()
    with ground.audit.open("ab") as file:
        file.write(chain.seal(line % (gap.after_seq, gap.after_chain.encode(), gap.uncertain)))
    chain.written()
    chain.gap_recorded()
    _release(chain)


def test_a_filter_that_finds_a_gap_repeats_nothing_until_it_is_recorded(
    program: Path, ground: Ground, host: Host
) -> None:
    """Its predecessor was killed between noting the record and writing it."""
    host.learn(GOOD, _leaving_the_key())
    assert host.many(1) == 1
    host.kill()
    chain = Chain(str(ground.chain), 0)
    chain.seal(b'{"time":"2026-01-01T00:00:00.000Z","event":"access"}\n')
    _release(chain)
    with Host(program, ground) as next_one:
        next_one.learn(GOOD, _leaving_the_key())
        found = next_one.many(2)
        broken = ground.board.told("broken")
        _mend(ground)
        next_one.move_clocks(0, 2)
        not_said_yet = next_one.many(2)
        ground.board.mended()
        next_one.move_clocks(0, 4)
        after = next_one.many(2)

    assert (found, broken, not_said_yet, after) == (0, 1, 0, 2)
    assert _verified(ground).problems == []


def test_a_chain_with_losses_is_a_gap_too(program: Path, ground: Ground) -> None:
    chain = Chain(str(ground.chain), 0)
    chain.count_loss(1.0, passed=False)
    _release(chain)
    with Host(program, ground) as host:
        host.learn(GOOD)

        assert not host.known(GOOD)
        assert ground.board.told("broken") == 1


def test_a_chain_that_another_process_holds_is_left_alone(host: Host, ground: Ground) -> None:
    """Asked for again once a second at most."""
    chain = Chain(str(ground.chain), 0)
    host.freeze_clocks()
    host.learn(GOOD, _leaving_the_key())
    held = host.many(2)
    _release(chain)
    too_early = host.many(1)
    host.move_clocks(0, 1)

    assert (held, too_early, host.many(2)) == (0, 0, 2)
    assert ground.board.told("broken") == 0


def test_the_filter_keeps_its_chain_from_everybody_else(host: Host, ground: Ground) -> None:
    """Another slot is free."""
    host.learn(GOOD)
    assert host.known(GOOD)

    with pytest.raises(AuditUnavailable, match="another process"):
        Chain(str(ground.chain), 0)
    _release(Chain(str(ground.chain), 1))


@pytest.mark.parametrize("what", ["chain", "board"])
@pytest.mark.parametrize("content", [None, b"", b"x" * 30_000, "cut"])
def test_a_chain_or_a_board_that_is_none_repeats_nothing(
    program: Path, ground: Ground, what: str, content: bytes | str | None
) -> None:
    """Nor does it end Envoy; once it is there, all is well."""
    path: Path = ground.chain if what == "chain" else ground.board.path
    good = path.read_bytes()
    bad = good[: 4096 + 63 * 256] if content == "cut" else content
    path.unlink()
    if bad is not None:
        path.write_bytes(bad)  # type: ignore[arg-type]  # no text is left
    with Host(program, ground) as host:
        host.learn(GOOD, _leaving_the_key())
        known = host.many(2)
        path.unlink(missing_ok=True)
        path.write_bytes(good)
        host.move_clocks(0, 2)
        host.ask(GOOD, _leaving_the_key())

        assert (known, host.many(2)) == (0, 2)


def test_the_destination_is_followed_when_it_is_rotated(host: Host, ground: Ground) -> None:
    """Looked at once a second; it is never created, for the workers do."""
    host.freeze_clocks()
    host.learn(GOOD, _leaving_the_key())
    assert host.many(1) == 1
    rotated = ground.audit.rename(ground.folder / "audit.1")
    not_yet = host.many(1)
    host.move_clocks(0, 1)
    gone = host.many(1)
    there = ground.audit.exists()
    ground.audit.touch()
    host.move_clocks(0, 2)
    again = host.many(2)

    assert (not_yet, gone, there, again) == (1, 0, False, 2)
    assert [len(file.read_text().splitlines()) for file in (rotated, ground.audit)] == [2, 2]


def test_a_destination_that_ends_in_mid_line_is_not_written_to(program: Path, ground: Ground) -> None:
    """The record would be glued to the rest of another one. The workers end that line."""
    ground.audit.write_text('{"time":"20')
    with Host(program, ground) as host:
        host.learn(GOOD, _leaving_the_key())
        torn = host.many(1)
        with ground.audit.open("a") as file:
            file.write("\n")
        host.move_clocks(0, 2)

        assert (torn, host.many(1)) == (0, 1)


def test_a_pipe_that_is_full_or_that_nobody_reads_leaves_the_request_to_the_gate(program: Path, ground: Ground) -> None:
    """Never waited for."""
    fifo = ground.folder / "fifo"
    os.mkfifo(fifo)
    with Host(program, ground, audit=str(fifo)) as host:
        host.learn(GOOD, _leaving_the_key())
        nobody = host.many(1)
        reading = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        host.move_clocks(0, 2)
        written = host.many(1000)
        received = os.read(reading, 1 << 20)
        emptied = host.many(1)
        os.close(reading)
        left = host.many(1)

    assert (nobody, emptied, left) == (0, 1, 0)
    assert 100 < written < 1000
    assert received.count(b"\n") == written
    assert ground.board.told("not_written") == 1000 - written + 1
    assert ground.board.told("broken") == 0


@pytest.mark.parametrize("kind", ["file", "pipe", "stream", "datagrams"])
def test_standard_output_takes_records_of_every_kind(program: Path, ground: Ground, kind: str) -> None:
    """Opened anew where that can be done, so that nobody else's end stops to block; a socket is sent to."""
    ours, theirs = _ends(kind, ground.folder)
    os.set_blocking(theirs, True)
    with Host(program, ground, audit="-", standard_output=theirs) as host:
        host.learn(GOOD, _leaving_the_key())
        known = host.many(3)

    assert known == 3
    assert os.get_blocking(theirs)
    text = (
        (ground.folder / "out").read_bytes() if kind == "file" else b"".join(os.read(ours, 1 << 16) for _ in range(1))
    )
    if kind == "datagrams":
        text += os.read(ours, 1 << 16) + os.read(ours, 1 << 16)
    assert text.count(b"\n") == 3
    for end in {ours, theirs}:
        os.close(end)


def _ends(kind: str, folder: Path) -> tuple[int, int]:
    if kind == "file":
        end = os.open(folder / "out", os.O_WRONLY | os.O_CREAT)
        return end, end
    if kind == "pipe":
        return os.pipe()
    sort = socket.SOCK_STREAM if kind == "stream" else socket.SOCK_DGRAM
    one, other = socket.socketpair(socket.AF_UNIX, sort)
    return one.detach(), other.detach()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_standard_output_that_another_user_left_is_never_waited_for(program: Path) -> None:
    """It cannot be opened anew, and stops to block for nobody: the filter looks whether there is room."""
    nobody = 65_534
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ground, own = Ground(folder), Path(shutil.copy(program, folder))
        for path in (folder, *folder.iterdir()):
            os.chown(path, nobody, nobody)
        ours, theirs = os.pipe()
        with Host(own, ground, audit="-", standard_output=theirs, user=nobody) as host:
            host.learn(GOOD, _leaving_the_key())
            written = host.many(1000)

    assert 10 < written < 1000
    assert os.read(ours, 1 << 20).count(b"\n") == written
    assert os.get_blocking(theirs)
    for end in (ours, theirs):
        os.close(end)


def test_a_socket_that_takes_nothing_more_leaves_the_request_to_the_gate(program: Path, ground: Ground) -> None:
    ours, theirs = _ends("datagrams", ground.folder)
    with Host(program, ground, audit="-", standard_output=theirs) as host:
        host.learn(GOOD, _leaving_the_key())

        assert 0 < host.many(5000) < 5000
        assert ground.board.told("broken") == 0
    for end in (ours, theirs):
        os.close(end)


def test_the_sidecars_own_writers_and_the_filter_share_a_file(host: Host, ground: Ground) -> None:
    """Lines of both, none torn."""
    host.learn(GOOD, _leaving_the_key())
    sink = AuditSink(str(ground.audit))
    for _ in range(5):
        host.many(2)
        sink.write(b'{"of":"a worker"}\n')
    sink.close()

    assert len(ground.audit.read_text().splitlines()) == 15
    assert _verified(ground).problems == []


@pytest.mark.parametrize("plainly", [False, True], ids=["as the processor can", "plainly"])
def test_sha_256_is_that_of_everybody(host: Host, *, plainly: bool) -> None:
    """At each length around the borders of its blocks."""
    for length in (*range(130), 1000, 4095):
        text = bytes(number % 251 for number in range(length))
        assert host.hashed(text, plainly=plainly) == sha256(text).hexdigest()
