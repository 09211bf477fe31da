"""What the control plane opens for its workers, and what it does not: both ends of the handover, in one process."""

import asyncio
import os
import socket
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.support.decisions import rules

from authz_service.audit.chain import prepare
from authz_service.audit.sink import AuditSink
from authz_service.control_plane.workers.handover import Handover
from authz_service.decision_worker.handed_over import HandedOver
from authz_service.domain.rules import PolicyServer
from authz_service.errors import AuditUnavailable
from authz_service.handover_protocol import Mend, encode

LINE = b"1\n"


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short enough for a socket's name (unix(7))."""
    with tempfile.TemporaryDirectory(prefix="handover-", dir="/tmp") as name:
        yield Path(name)


def with_both(folder: Path, play: Callable[[Handover, HandedOver], Awaitable[None]]) -> None:
    async def run() -> None:
        handover = Handover(folder / "handover.sock")
        handover.start()
        end = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        end.connect(str(folder / "handover.sock"))
        try:
            await play(handover, HandedOver(end))
        finally:
            handover.stop()
            end.close()

    asyncio.run(run())


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


def test_a_worker_appends_to_what_was_opened_and_follows_its_rotation(folder: Path) -> None:
    """The same descriptor until another file stands there."""
    file = folder / "audit"

    async def play(handover: Handover, handed: HandedOver) -> None:
        with pytest.raises(AuditUnavailable, match="not opened for us yet"):
            AuditSink(str(file), handed)
        handover.welcome()
        handover.follow(rules(audit_path=str(file)))
        sink = AuditSink(str(file), handed)
        sink.write(LINE)
        sink.reopen_if_moved()
        old = file.rename(folder / "audit.1")
        sink.write(LINE)
        await until(lambda: handed.has_moved(str(file)))
        sink.reopen_if_moved()
        sink.write(LINE)
        sink.close()

        assert (old.read_bytes(), file.read_bytes()) == (2 * LINE, LINE)

    with_both(folder, play)


def test_why_there_is_none_is_told_until_there_is_one(folder: Path) -> None:
    file = folder / "away" / "audit"

    async def play(handover: Handover, handed: HandedOver) -> None:
        handover.follow(rules(audit_path=str(file)))
        handover.welcome()
        with pytest.raises(AuditUnavailable, match="No such file"):
            AuditSink(str(file), handed)
        file.parent.mkdir()
        await until(lambda: _can_open(handed, file))

    with_both(folder, play)


def _can_open(handed: HandedOver, file: Path) -> bool:
    with suppress(AuditUnavailable):
        AuditSink(str(file), handed).close()
        return True
    return False


def test_the_memory_of_the_chains_is_handed_over(folder: Path) -> None:
    chain = folder / "chain"
    prepare(chain, b"")

    async def play(handover: Handover, handed: HandedOver) -> None:
        with pytest.raises(OSError, match="not opened for us yet"):
            handed.open_chain(str(chain))
        handover.follow(rules(audit_path=str(folder / "audit"), audit_chain=str(chain)))
        handover.welcome()
        descriptor = handed.open_chain(str(chain))
        assert os.fstat(descriptor).st_ino == chain.stat().st_ino
        os.close(descriptor)

    with_both(folder, play)


def test_a_line_that_was_torn_is_ended_by_who_may(folder: Path) -> None:
    """And nothing else is: neither another file, nor one that ends well."""
    file, other = folder / "audit", folder / "other"

    async def play(handover: Handover, handed: HandedOver) -> None:
        handover.follow(rules(audit_path=str(file)))
        handover.welcome()
        file.write_bytes(b'{"half":')
        other.write_bytes(b'{"half":')
        for path in (other, file):
            handed.mend(str(path), -1)
        await until(lambda: handed.is_mended(str(file)))
        assert (file.read_bytes(), other.read_bytes()) == (b'{"half"\n', b'{"half":')
        assert not handed.is_mended(str(other))

        handed.mend(str(file), -1)
        await until(lambda: handed.is_mended(str(file)))
        assert file.read_bytes() == b'{"half"\n'

    with_both(folder, play)


def test_only_the_policy_server_of_the_rules_is_dialled(folder: Path) -> None:
    """Not whomever a worker names."""
    good, bad = (PolicyServer("data.p", 5.0, socket=str(folder / name)) for name in ("opa.sock", "other.sock"))

    async def play(handover: Handover, handed: HandedOver) -> None:
        asked: list[str] = []

        async def serve(name: str) -> asyncio.Server:
            def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                asked.append(name)
                writer.close()

            return await asyncio.start_unix_server(connected, str(folder / name))

        servers = [await serve("opa.sock"), await serve("other.sock")]
        handed.listen(lambda: None)
        handover.follow(rules(audit_path=str(folder / "audit"), policy_server=good))
        handover.welcome()
        (await handed.dial(good)).close()
        with pytest.raises(ConnectionError, match="no policy server of these rules"):
            await handed.dial(bad)
        await until(lambda: bool(asked))
        assert asked == ["opa.sock"]
        for server in servers:
            server.close()

    with_both(folder, play)


def test_a_worker_that_says_nonsense_is_hung_up_on(folder: Path) -> None:
    """The others are served on."""

    async def play(handover: Handover, handed: HandedOver) -> None:
        handover.welcome()
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as other:
            other.connect(str(folder / "handover.sock"))
            handover.welcome()
            other.send(encode(Mend("/x"))[:-1])
            await until(lambda: len(handover._workers) == 1)
            assert other.recv(100) == b""
        handover.follow(rules(audit_path=str(folder / "audit")))
        AuditSink(str(folder / "audit"), handed).close()

    with_both(folder, play)
