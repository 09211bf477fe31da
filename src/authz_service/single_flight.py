"""Of those who ask a server the same at the same time one asks, and all hear the answer. Nothing is remembered."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from authz_service.errors import FetchError

_Answer = TypeVar("_Answer")


class SingleFlight(Generic[_Answer]):
    """Questions of one kind, which its name says in the plural, to one server."""

    def __init__(self, kind: str, *, most: int, patience: float, failed: Callable[[str], None]) -> None:
        """`most` questions at a time, for `patience` seconds each; `failed` is told why one has no answer."""
        self._kind = kind
        self._most = most
        self._patience = patience
        self._failed = failed
        self._asking: dict[str, asyncio.Task[_Answer | None]] = {}  # by question

    async def ask(self, question: str, find_out: Callable[[str], Coroutine[Any, Any, _Answer]]) -> _Answer | None:
        """None when there is no answer: too many ask, none came in time, or `find_out` raises FetchError.

        The asking goes on when whoever waits for it gives up: the next one finds it further on.
        """
        asking = self._asking.get(question)
        if asking is None:
            if len(self._asking) >= self._most:
                self._failed(f"{self._most} {self._kind} wait for an answer already")
                return None
            asking = self._asking[question] = asyncio.create_task(self._within_patience(find_out(question)))
            asking.add_done_callback(lambda _: self._asking.pop(question, None))
        return await asyncio.shield(asking)

    def stop(self) -> None:
        for asking in self._asking.values():
            asking.cancel()

    async def _within_patience(self, asking: Coroutine[Any, Any, _Answer]) -> _Answer | None:
        try:
            async with asyncio.timeout(self._patience):
                return await asking
        except TimeoutError:
            self._failed(f"no answer within {self._patience:g} s")
        except FetchError as error:
            self._failed(str(error))
        return None
