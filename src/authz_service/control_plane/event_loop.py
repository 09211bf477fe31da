"""The control plane's event loop. Names are looked up in threads of their own, one for each name: not in the pool in
which files are read, which a silent DNS would hold for as long as it is silent, and reloads and revocations with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

_Question = tuple[Any, ...]  # the arguments of socket.getaddrinfo


class ControlLoop(asyncio.SelectorEventLoop):
    """However many ask for a name, it is looked up once; and nobody waits for an answer at the end."""

    def __init__(self, look_up: Callable[..., Any] = socket.getaddrinfo) -> None:
        super().__init__()
        self._look_up = look_up
        self._asked: dict[_Question, asyncio.Future[Any]] = {}

    async def getaddrinfo(
        self,
        host: Any,
        port: Any,
        *,
        family: int = 0,
        type: int = 0,  # noqa: A002
        proto: int = 0,
        flags: int = 0,
    ) -> Any:
        question = (host, port, family, type, proto, flags)
        if question not in self._asked:
            answer = self._asked[question] = self.create_future()
            answer.add_done_callback(partial(self._answered, question))
            # A thread of a pool would be waited for when the process ends.
            threading.Thread(target=self._ask, args=(question, answer), daemon=True).start()
        return await asyncio.shield(self._asked[question])

    def _ask(self, question: _Question, answer: asyncio.Future[Any]) -> None:
        try:
            tell = partial(answer.set_result, self._look_up(*question))
        except Exception as error:  # noqa: BLE001 - it is for those who asked
            tell = partial(answer.set_exception, error)
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody asks any more
            self.call_soon_threadsafe(tell)

    def _answered(self, question: _Question, answer: asyncio.Future[Any]) -> None:
        del self._asked[question]
        answer.exception()  # whoever asked may have given up: then it is nobody's
