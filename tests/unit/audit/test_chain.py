"""The end of a chain outlives its writer, whatever moment it is killed in, and no two processes write one chain."""

import os
import signal
from pathlib import Path

import pytest
from tests.support.audit_files import record, verified

from authz_service.audit import chain as chain_module
from authz_service.audit.chain import MAX_SLOTS, Chain, heads, prepare
from authz_service.audit.seal import KEY_SPAN
from authz_service.errors import AuditUnavailable


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    prepare(tmp_path / "chain", b"")
    return tmp_path / "chain"


def sealed(chain: Chain, count: int = 1) -> list[bytes]:
    lines = []
    for number in range(count):
        lines.append(chain.seal(record(number)))
        chain.written()
    return lines


def test_the_next_life_continues_where_the_last_one_ended(memory: Path) -> None:
    lines = [*sealed(Chain(str(memory), 0), 3), *sealed(Chain(str(memory), 0), 2)]

    assert verified(lines).problems == []
    assert [head.seq for head in heads(memory)] == [5]
    assert verified(lines[:2] + lines[3:]).problems != []


def test_each_slot_has_a_chain_of_its_own(memory: Path) -> None:
    lines = [*sealed(Chain(str(memory), 0), 2), *sealed(Chain(str(memory), MAX_SLOTS - 1), 3)]

    report = verified(lines)
    assert report.problems == []
    assert [(writer.name[12:], writer.records) for writer in report.writers.values()] == [("-0", 2), ("-64", 3)]
    assert [head.seq for head in heads(memory)] == [2, 3]


def test_a_record_that_was_not_written_leaves_its_number_free(memory: Path) -> None:
    """A refusal for want of a record must not look like a lost record."""
    chain = Chain(str(memory), 0)
    first = sealed(chain)
    chain.seal(record(7))
    chain.not_written()

    assert not chain.broken
    assert verified([*first, *sealed(chain)]).problems == []


@pytest.mark.parametrize("written", [True, False])
def test_a_kill_between_two_notes_is_known_to_the_next_life(memory: Path, written: bool) -> None:
    """Whether the line had got there or not: its number is not used again, and the gap names the last sure record."""
    chain = Chain(str(memory), 0)
    sealed(chain, 2)
    chain.seal(record(3))

    successor = Chain(str(memory), 0)

    assert successor.broken
    assert successor.gap()[:3] == (2, heads(memory)[0].chain, 1)
    assert b'"seq":4,' in successor.seal(record(4))


def test_losses_are_known_to_the_next_life(memory: Path) -> None:
    chain = Chain(str(memory), 0)
    chain.count_loss(5.25, passed=True)
    chain.count_loss(6.5, passed=False)

    assert Chain(str(memory), 0).gap()[2:] == (0, 2, 1, 5.25)
    chain.gap_recorded()
    assert not Chain(str(memory), 0).broken


def test_keys_move_on_and_are_found_again_at_the_seam(memory: Path) -> None:
    """Also by a successor of who was killed at the very record that begins a new span."""
    chain = Chain(str(memory), 0)
    lines = sealed(chain, KEY_SPAN - 1)
    chain.seal(record(0))  # the first of the next span, never written
    chain.not_written()
    for life in range(3):
        lines += sealed(Chain(str(memory), 0), 1 if life else 2)
    lines += sealed(Chain(str(memory), 0), KEY_SPAN)

    report = verified(lines)
    assert report.problems == []
    assert [writer.linked for writer in report.writers.values()] == [len(lines)]


def test_the_key_of_older_records_is_not_in_memory(tmp_path: Path) -> None:
    """Who takes a worker over cannot make records that are older than two spans."""
    prepare(tmp_path / "chain", b"k" * 32)
    first = Chain(str(tmp_path / "chain"), 0)._memory[chain_module._HEADER :][128:160]
    sealed(Chain(str(tmp_path / "chain"), 0), 2 * KEY_SPAN)

    content = (tmp_path / "chain").read_bytes()
    assert first not in content
    assert b"k" * 32 not in content


class TestPrepare:
    def test_what_is_there_is_continued(self, memory: Path) -> None:
        sealed(Chain(str(memory), 0))
        before = heads(memory)
        prepare(memory, b"")

        assert heads(memory) == before

    @pytest.mark.parametrize("cause", ["another key", "another boot", "garbage", "cut"])
    def test_what_cannot_be_continued_begins_anew(
        self, memory: Path, cause: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """As another writer, so that no number is used twice."""
        chain = Chain(str(memory), 0)
        sealed(chain)
        if cause == "another boot":
            (tmp_path / "boot_id").write_text("another")
            monkeypatch.setattr(chain_module, "_BOOT", tmp_path / "boot_id")
        elif cause == "garbage":
            memory.write_bytes(os.urandom(memory.stat().st_size))
        elif cause == "cut":
            os.truncate(memory, 5000)
        prepare(memory, b"k" * 32 if cause == "another key" else b"")

        assert heads(memory) == []
        assert Chain(str(memory), 0).writer != chain.writer

    def test_nobody_else_reads_it(self, memory: Path) -> None:
        assert memory.stat().st_mode & 0o777 == 0o600

    def test_it_has_no_holes(self, memory: Path) -> None:
        """A page that is first needed on a full disk would be SIGBUS."""
        assert memory.stat().st_blocks * 512 >= memory.stat().st_size


def test_two_processes_never_write_one_chain(memory: Path) -> None:
    """The second is refused while the first lives; a kill frees it at once. The other slots are free."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        kept = Chain(str(memory), 0)
        os.write(writer, kept.writer.encode())
        signal.pause()
    os.read(reader, 100)
    try:
        with pytest.raises(AuditUnavailable, match="another process still writes"):
            Chain(str(memory), 0)
        Chain(str(memory), 1)
    finally:  # else a failure would leave it behind
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    Chain(str(memory), 0)
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize("content", [None, b"x"])
def test_a_memory_that_cannot_be_used_is_told(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "chain").write_bytes(content)

    with pytest.raises(AuditUnavailable, match="cannot be used"):
        Chain(str(tmp_path / "chain"), 0)
    if content is not None:
        with pytest.raises(ValueError, match="is not the chain memory"):
            heads(tmp_path / "chain")


def test_without_a_file_it_ends_with_its_process() -> None:
    one, other = Chain("", 0), Chain("", 0)

    assert one.writer != other.writer
    assert verified(sealed(one, 3)).problems == []


def test_a_chain_that_is_closed_is_gone_on_with_by_another_process(memory: Path) -> None:
    """And one that could not be taken leaves nothing open."""
    chain = Chain(str(memory), 0)
    lines = sealed(chain, 2)
    opened = len([*Path("/proc/self/fd").iterdir()])
    chain.close()

    assert len([*Path("/proc/self/fd").iterdir()]) < opened
    child = os.fork()
    if child == 0:
        Chain(str(memory), 0)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert verified([*lines, *sealed(Chain(str(memory), 0))]).problems == []


def test_the_heads_of_several_memories_are_told_together(memory: Path, tmp_path: Path) -> None:
    """One that is not there has none."""
    prepare(tmp_path / "other", b"")
    sealed(Chain(str(memory), 0), 2)
    sealed(Chain(str(tmp_path / "other"), 1), 3)

    found = heads(memory, tmp_path / "other", tmp_path / "absent")
    assert [(head.writer[12:], head.seq) for head in found] == [("-0", 2), ("-1", 3)]
    assert len({head.writer[:12] for head in found}) == 2
