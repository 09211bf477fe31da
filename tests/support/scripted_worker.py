"""A decision worker's socket whose answers are scripted, byte by byte: also those that no worker of ours would give."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from tests.support.patience import PATIENCE

ALLOW = b"HTTP/1.1 200 \r\nx-user-id: john\r\nx-envoy-auth-headers-to-remove: x-plan\r\ncontent-length: 0\r\n\r\n"


def refusal(status: int, reason: str) -> bytes:
    body = b'{"title":"No","status":%d,"reason":"%s","decision_id":"d"}' % (status, reason.encode())
    return b"HTTP/1.1 %d \r\ncontent-type: application/problem+json\r\ncontent-length: %d\r\n\r\n%s" % (
        status,
        len(body),
        body,
    )


SILENCE = b"silence"  # never answers
HANGS_UP = b""


class ScriptedWorker:
    """Gives the answers one after the other, the last one again and again; `asked` are the questions."""

    def __init__(self, path: Path, answers: Sequence[bytes] = (ALLOW,)) -> None:
        self.path = str(path)
        self.answers = list(answers)
        self.asked: list[bytes] = []
        self.connections = 0
        self._serving: dict[asyncio.Task[object], asyncio.StreamWriter] = {}

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_unix_server(self._serve, self.path)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self._serving.values():
            writer.close()
        if self._serving:
            await asyncio.wait([*self._serving], timeout=PATIENCE)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._serving[task] = writer
        task.add_done_callback(self._serving.pop)
        try:
            while True:
                self.asked.append(await reader.readuntil(b"\r\n\r\n"))
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                if answer == SILENCE:
                    continue
                if answer == HANGS_UP:
                    break
                writer.write(answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
