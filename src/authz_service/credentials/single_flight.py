"""Of those who ask the same question at the same time one asks, and all hear the answer. Nothing is remembered."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

_Answer = TypeVar("_Answer")


class SingleFlight(Generic[_Answer]):
    """`most` questions at a time."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._asking: dict[str, asyncio.Task[_Answer]] = {}  # by question

    def takes(self, question: str) -> bool:
        """Whether there is room for it, or somebody is asking it already."""
        return question in self._asking or len(self._asking) < self._most

    async def ask(self, question: str, find_out: Callable[[str], Coroutine[Any, Any, _Answer]]) -> _Answer:
        """The asking goes on when whoever waits for it gives up: the next one finds it further on."""
        asking = self._asking.get(question)
        if asking is None:
            asking = self._asking[question] = asyncio.create_task(find_out(question))
            asking.add_done_callback(lambda _: self._asking.pop(question, None))
        return await asyncio.shield(asking)

    def stop(self) -> None:
        for asking in self._asking.values():
            asking.cancel()
