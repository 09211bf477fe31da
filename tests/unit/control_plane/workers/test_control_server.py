"""Whatever an answer depends on is told with an epoch of its own, which Envoy was shown before."""

import asyncio
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import msgspec
import pytest
from tests.support.decisions import keys, rules

from authz_service.control_plane.workers.control_server import ControlServer
from authz_service.control_protocol import Hello, SetKeys, SetRules, ToWorker, pack, read_message, to_worker_decoder


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

    def leave(self) -> None:
        self._writer.close()


async def _nothing(_: object) -> None: ...


def test_rules_and_keys_come_with_the_epoch_that_envoy_was_shown_before(folder: Path) -> None:
    """And whoever comes later gets the present one with all of them."""
    board: list[int] = []
    epochs = count(101)

    def raise_epoch() -> int:
        board.append(next(epochs))
        return board[-1]

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
