"""A record is with the kernel, whole, or the request is not allowed: full pipe, full disk, rotation (T3, T24)."""

import fcntl
import os
import resource
import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from authz_service.audit.destinations import STANDARD_OUTPUT, OwnDestinations
from authz_service.audit.record import MAX_LINE
from authz_service.audit.sink import AuditSink
from authz_service.errors import AuditUnavailable

LINE = b'{"n":1}\n'
# Writes numbered lines of the greatest length, each until it is taken, as fast as it can.
WRITER = f"""
import sys
from authz_service.audit.sink import AuditSink
from authz_service.errors import AuditUnavailable
name, path, count = sys.argv[1:]
sink = AuditSink(path)
for number in range(int(count)):
    line = f"{{name}}:{{number}}:".encode().ljust({MAX_LINE - 1}, b"x") + b"\\n"
    while True:
        try:
            sink.write(line)
            break
        except AuditUnavailable:
            pass
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe's reading and writing end."""
    reader, writer = os.pipe()
    yield reader, writer
    for end in (reader, writer):
        try:
            os.close(end)
        except OSError:  # the test did
            continue


@contextmanager
def disk_with_room_for(size: int) -> Iterator[None]:
    """Files end at this size: a write across it is made in part, one behind it fails, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def fill(sink: AuditSink) -> None:
    """Write until there is no room. Whoever blocks here hangs the test."""
    with suppress(AuditUnavailable):
        while True:
            sink.write(LINE.rjust(MAX_LINE))


def test_lines_are_appended_to_the_file(file: Path) -> None:
    """Also to what was there before; others of our group may read it, the rest may not."""
    AuditSink(str(file)).write(b"a\n")
    AuditSink(str(file)).write(b"b\n")

    assert file.read_bytes() == b"a\nb\n"
    assert file.stat().st_mode & 0o777 == 0o640


class TestManyWorkers:
    """One destination, no lock, no torn line."""

    @staticmethod
    def start(path: str, output: int) -> list[subprocess.Popen[bytes]]:
        return [
            subprocess.Popen([sys.executable, "-c", WRITER, name, path, "200"], stdout=output)
            for name in ("a", "b", "c")
        ]

    @staticmethod
    def assert_whole(data: bytes) -> None:
        lines = data.splitlines(keepends=True)
        assert {len(line) for line in lines} == {MAX_LINE}
        assert {line.rstrip(b"x\n") for line in lines} == {b"%c:%d:" % (name, n) for name in b"abc" for n in range(200)}
        assert len(lines) == 600

    def test_their_lines_on_one_pipe_are_whole(self, pipe: tuple[int, int]) -> None:
        """Below PIPE_BUF the kernel takes a write in one piece or not at all (pipe(7))."""
        assert MAX_LINE < select.PIPE_BUF
        reader, writer = pipe
        writers = self.start(STANDARD_OUTPUT, writer)
        os.close(writer)
        with os.fdopen(os.dup(reader), "rb") as stream:
            self.assert_whole(stream.read())
        assert [process.wait() for process in writers] == [0, 0, 0]

    def test_their_lines_in_one_file_are_whole(self, file: Path) -> None:
        writers = self.start(str(file), subprocess.DEVNULL)

        assert [process.wait() for process in writers] == [0, 0, 0]
        self.assert_whole(file.read_bytes())


class TestStandardOutput:
    def test_a_reader_who_stalls_blocks_nobody(self, pipe: tuple[int, int]) -> None:
        """No room means "cannot be written"; with room again, it goes on."""
        reader, writer = pipe
        sink = AuditSink(STANDARD_OUTPUT, OwnDestinations(writer))
        sink.write(LINE)
        fill(sink)

        os.read(reader, 65536)
        sink.write(LINE)

    def test_it_stays_as_it_was_for_the_others_who_hold_it(self, pipe: tuple[int, int]) -> None:
        """Else their writes would fail: O_NONBLOCK belongs to all who share an open file description."""
        before = fcntl.fcntl(pipe[1], fcntl.F_GETFL)
        AuditSink(STANDARD_OUTPUT, OwnDestinations(pipe[1])).write(LINE)

        assert fcntl.fcntl(pipe[1], fcntl.F_GETFL) == before
        assert not before & os.O_NONBLOCK

    def test_a_reader_who_is_gone_is_noticed(self, pipe: tuple[int, int]) -> None:
        sink = AuditSink(STANDARD_OUTPUT, OwnDestinations(pipe[1]))
        os.close(pipe[0])

        with pytest.raises(AuditUnavailable, match="Broken pipe"):
            sink.write(LINE)

    def test_one_that_cannot_be_opened_anew_is_used_as_it_is(self, tmp_path: Path) -> None:
        """And does not block either. Another user's cannot be opened, nor can a named pipe without a reader."""
        fifo = tmp_path / "fifo"
        os.mkfifo(fifo)
        reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        writer = os.open(fifo, os.O_WRONLY)
        os.close(reader)
        sink = AuditSink(STANDARD_OUTPUT, OwnDestinations(writer))
        with pytest.raises(AuditUnavailable, match="Broken pipe"):
            sink.write(LINE)

        reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        sink.write(LINE)
        fill(sink)
        assert os.read(reader, len(LINE)) == LINE
        assert not fcntl.fcntl(writer, fcntl.F_GETFL) & os.O_NONBLOCK
        os.close(reader)
        os.close(writer)

    def test_a_socket_does_not_block_either(self) -> None:
        """journald gives one. A line that it took in part is ended before the next."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
            sink = AuditSink(STANDARD_OUTPUT, OwnDestinations(ours.fileno()))
            sink.write(LINE)
            fill(sink)
            assert ours.getblocking()

            taken = theirs.recv(1 << 20)
            sink.write(LINE)
            sink.write(LINE)

            assert theirs.recv(1 << 20) == (b"" if taken.endswith(b"\n") else b"\n") + 2 * LINE

    def test_it_is_not_looked_for_elsewhere(self, pipe: tuple[int, int]) -> None:
        """Only files rotate: what was opened stays, even where it could not be opened again."""
        sink = AuditSink(STANDARD_OUTPUT, OwnDestinations(pipe[1]))
        os.close(pipe[1])
        sink.reopen_if_moved()
        sink.write(LINE)

        assert os.read(pipe[0], 100) == LINE


class TestFullDisk:
    def test_no_room_at_all_is_an_error(self) -> None:
        with pytest.raises(AuditUnavailable, match="No space left on device"):
            AuditSink("/dev/full").write(LINE)
        AuditSink("/dev/null").write(LINE)

    def test_it_goes_on_when_there_is_room_again(self, file: Path) -> None:
        sink = AuditSink(str(file))
        sink.write(LINE)
        with disk_with_room_for(len(LINE)), pytest.raises(AuditUnavailable):
            sink.write(LINE)
        sink.write(LINE)

        assert file.read_bytes() == 2 * LINE

    @pytest.mark.parametrize("next_writer", ["the same worker", "another worker"])
    def test_a_line_that_was_torn_spoils_no_other(self, file: Path, next_writer: str) -> None:
        """Its rest is a line of its own, whoever writes next."""
        sink, other = AuditSink(str(file)), AuditSink(str(file))
        sink.write(LINE)
        with disk_with_room_for(len(LINE) + 4), pytest.raises(AuditUnavailable, match="in part"):
            sink.write(LINE)
        (sink if next_writer == "the same worker" else other).write(LINE)

        assert file.read_bytes() == LINE + LINE[:3] + b"\n" + LINE


class TestRotation:
    def test_the_new_file_is_followed(self, file: Path) -> None:
        """Until then the old one gets the lines: none is lost."""
        sink = AuditSink(str(file))
        sink.write(b"1\n")
        old = file.rename(file.with_suffix(".1"))
        sink.write(b"2\n")
        sink.reopen_if_moved()
        sink.write(b"3\n")
        sink.reopen_if_moved()
        sink.write(b"4\n")

        assert (old.read_bytes(), file.read_bytes()) == (b"1\n2\n", b"3\n4\n")

    def test_one_that_others_made_is_appended_to(self, file: Path) -> None:
        sink = AuditSink(str(file))
        file.rename(file.with_suffix(".1"))
        AuditSink(str(file)).write(b"other\n")
        sink.reopen_if_moved()
        sink.write(LINE)

        assert file.read_bytes() == b"other\n" + LINE

    def test_a_file_that_stays_is_not_opened_again(self, file: Path) -> None:
        sink = AuditSink(str(file))
        descriptor = sink._descriptor
        for _ in range(3):
            sink.reopen_if_moved()

        assert sink._descriptor == descriptor
        sink.close()
        assert not Path(f"/proc/self/fd/{descriptor}").exists()

    def test_a_folder_that_goes_and_comes_back_heals(self, file: Path) -> None:
        """While it is away nothing can be recorded, so nothing is allowed; then the next record finds it."""
        sink = AuditSink(str(file))
        away = file.parent.rename(file.parent.with_name("away"))
        sink.reopen_if_moved()
        for _ in range(2):
            with pytest.raises(AuditUnavailable, match=r"cannot be opened: No such file"):
                sink.write(LINE)
        sink.reopen_if_moved()
        away.rename(file.parent)
        sink.write(LINE)

        assert file.read_bytes() == LINE

    def test_a_torn_line_of_the_old_file_is_not_mended_in_the_new(self, file: Path) -> None:
        sink = AuditSink(str(file))
        sink._torn = True
        file.unlink()
        sink.reopen_if_moved()
        sink.write(LINE)

        assert file.read_bytes() == LINE


def test_a_destination_that_cannot_be_opened_is_told_at_once(tmp_path: Path) -> None:
    """With its name and what is wrong with it."""
    with pytest.raises(AuditUnavailable, match=f"{tmp_path} cannot be opened: Is a directory"):
        AuditSink(str(tmp_path))


def test_a_closed_sink_has_nothing_left_to_close(file: Path) -> None:
    sink = AuditSink(str(file))
    sink.close()
    sink.close()

    assert sink._descriptor == -1
