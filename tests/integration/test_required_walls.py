"""`runtime.walls: required`: who lacks a wall is told nothing. Otherwise he decides, and it is said."""

import asyncio
import logging
from pathlib import Path

import pytest
from tests.support.decision_workers import folder, until
from tests.support.decisions import keys, rules

from authz_service.control_plane.workers.control_server import ControlServer
from authz_service.control_protocol import Hello, SetKeys, SetRules, ToWorker, pack, read_message, to_worker_decoder

__all__ = ["folder"]
LACKING = ("no Landlock (Function not implemented)",)


@pytest.mark.parametrize(
    ("required", "missing", "is_told"), [(True, LACKING, False), (True, (), True), (False, LACKING, True)]
)
def test_who_lacks_a_wall_that_is_required_is_told_nothing(
    folder: Path, caplog: pytest.LogCaptureFixture, required: bool, missing: tuple[str, ...], is_told: bool
) -> None:
    async def play() -> None:
        control_server = ControlServer(folder / "control.sock", print, _nothing, require_walls=required)
        await control_server.start()
        control_server.set_keys(keys())
        reader, writer = await asyncio.open_unix_connection(str(folder / "control.sock"))
        writer.write(pack(Hello(0, 1, missing)))
        await until(lambda: bool(control_server.pids()))
        assert control_server.missing_walls() == list(missing)
        control_server.set_rules(rules(audit_path=str(folder / "audit")))
        if is_told:
            told = [await _told(reader), await _told(reader)]
            assert [type(message) for message in told] == [SetKeys, SetRules]
        control_server._workers[0].writer.close()  # after all that was written
        assert await reader.read() == b""
        control_server.stop()
        writer.close()

    with caplog.at_level(logging.WARNING):
        asyncio.run(play())
    said = [record.message for record in caplog.records if record.name.startswith("authz_service")]
    assert said == (["walls_missing"] if missing else [])


async def _told(reader: asyncio.StreamReader) -> ToWorker:
    return await read_message(reader, to_worker_decoder)


async def _nothing(_: object) -> None: ...
