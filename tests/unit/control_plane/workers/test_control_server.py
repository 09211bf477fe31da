"""Whatever an answer depends on is told with an epoch of its own, which Envoy was shown before."""

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from tests.support.decisions import keys, rules

from authz_service.control_plane.workers.control_server import ControlServer
from authz_service.control_protocol import (
    Active,
    Hello,
    SetEpoch,
    SetKeys,
    SetRules,
    ToWorker,
    pack,
    read_message,
    to_worker_decoder,
)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short enough for a socket's name (unix(7))."""
    with tempfile.TemporaryDirectory(prefix="control-", dir="/tmp") as name:
        yield Path(name)


class _Worker:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, folder: Path, slot: int) -> "_Worker":
        worker = cls(*await asyncio.open_unix_connection(str(folder / "control.sock")))
        worker._writer.write(pack(Hello(slot, 1)))
        return worker

    async def told(self) -> ToWorker:
        async with asyncio.timeout(20):
            return await read_message(self._reader, to_worker_decoder)

    async def take_over(self) -> None:
        """The rules that it is told next."""
        told = await self.told()
        assert isinstance(told, SetRules)
        self._writer.write(pack(Active(told.rules.revision, told.epoch)))

    async def is_cut_off(self) -> bool:
        """Whatever was told before."""
        try:
            async with asyncio.timeout(20):
                await self._reader.read()
        except ConnectionError:
            pass
        return self._reader.at_eof()

    def leave(self) -> None:
        self._writer.close()


async def _nothing(_: object) -> None: ...


def _board() -> tuple[list[int], Callable[[], int]]:
    """What Envoy was shown, and what shows it the next."""
    shown: list[int] = []

    def raise_epoch() -> int:
        shown.append(101 + len(shown))
        return shown[-1]

    return shown, raise_epoch


def test_rules_and_keys_come_with_the_epoch_that_envoy_was_shown_before(folder: Path) -> None:
    """And whoever comes later gets the present one with all of them."""
    board, raise_epoch = _board()

    async def play() -> None:
        server = ControlServer(folder / "control.sock", print, _nothing, raise_epoch=raise_epoch)
        await server.start()
        given = rules(audit_path=str(folder / "audit"))
        server.set_rules(given)
        assert board == [101]
        first = await _Worker.connect(folder, 0)
        assert await first.told() == SetRules(given, 101)
        server.set_keys(keys())
        server.set_rules(msgspec.structs.replace(given, revision="r2"))
        assert board == [101, 102, 103]
        assert await first.told() == SetKeys(keys(), 102)
        assert await first.told() == SetRules(msgspec.structs.replace(given, revision="r2"), 103)
        second = await _Worker.connect(folder, 1)
        assert [(await second.told()).epoch, (await second.told()).epoch] == [103, 103]  # type: ignore[union-attr] # no Answered
        for worker in (first, second):
            worker.leave()
        server.stop()

    asyncio.run(play())


def test_the_same_rules_again_end_nothing(folder: Path) -> None:
    """They are sent after each look at the files."""
    board: list[int] = []

    def raise_epoch() -> int:
        board.append(1)
        return 1

    async def play() -> None:
        server = ControlServer(folder / "control.sock", print, _nothing, raise_epoch=raise_epoch)
        await server.start()
        for _ in range(3):
            server.set_rules(rules(audit_path=str(folder / "audit")))
        server.stop()

    asyncio.run(play())
    assert board == [1]


async def until_active(server: ControlServer, revision: str, count: int) -> None:
    async with asyncio.timeout(20):
        while server.active(revision) < count:
            await asyncio.sleep(0.001)


def test_who_goes_on_by_older_rules_is_cut_off_and_nobody_waits_for_him(folder: Path) -> None:
    """He ends without the control plane. Who has left them stays; so does who decides nothing yet."""

    async def play() -> None:
        server = ControlServer(folder / "control.sock", print, _nothing)
        await server.start()
        given = rules(audit_path=str(folder / "audit"))
        server.set_rules(given)
        quick, slow, new = [await _Worker.connect(folder, slot) for slot in range(3)]
        for worker in (quick, slow):
            await worker.take_over()
        await until_active(server, given.revision, 2)
        server.set_rules(msgspec.structs.replace(given, zone="zone9"))  # the same revision, as with other lists
        waiting = asyncio.create_task(server.leave_older_rules(0.2))
        await quick.take_over()
        await waiting
        assert len(server.pids()) == 2
        assert await slow.is_cut_off()
        server.set_keys(keys())
        for worker in (quick, new):
            await worker.told()  # raises where it is cut off
        for worker in (quick, slow, new):
            worker.leave()
        server.stop()

    asyncio.run(play())


def test_nobody_waits_once_all_have_left_the_older_rules(folder: Path) -> None:
    """The keys raise the epoch, too, and are no rules."""

    async def play() -> None:
        server = ControlServer(folder / "control.sock", print, _nothing)
        await server.start()
        given = rules(audit_path=str(folder / "audit"))
        server.set_rules(given)
        worker = await _Worker.connect(folder, 0)
        await worker.take_over()
        await until_active(server, given.revision, 1)
        server.set_keys(keys())
        async with asyncio.timeout(20):
            await server.leave_older_rules(3600)
        worker.leave()
        server.stop()

    asyncio.run(play())


def test_what_a_worker_permitted_ends_with_it(folder: Path) -> None:
    """It may have been taken over. Envoy sees it first, then the others go on by the new epoch."""
    board, raise_epoch = _board()

    async def play() -> None:
        server = ControlServer(folder / "control.sock", print, _nothing, raise_epoch=raise_epoch)
        await server.start()
        stays, goes = [await _Worker.connect(folder, slot) for slot in range(2)]
        server.set_keys(keys())
        while len(server.pids()) < 2:
            await asyncio.sleep(0.001)
        assert isinstance(await stays.told(), SetKeys)
        assert board == [101]
        goes.leave()
        assert await stays.told() == SetEpoch(102)
        assert board == [101, 102]
        stays.leave()
        server.stop()

    asyncio.run(play())
