"""What happened, in queues: a part that tells puts it there, and knows nobody who follows it. Decides nothing."""

from __future__ import annotations

import asyncio
import contextlib


class Events:
    """On the control plane's event loop."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self._look = asyncio.Event()
        self._reloads: asyncio.Queue[str] = asyncio.Queue()

    def look(self) -> None:
        """Something may be ready now, or no longer."""
        self._look.set()

    async def until_look(self, longest: float) -> None:
        """What happens from now on is another look's."""
        self._look.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._look.wait(), longest)

    def reload(self, cause: str) -> None:
        """The files may have changed."""
        self._reloads.put_nowait(cause)

    async def next_reload(self) -> str:
        """The cause; `reloaded` is to be called when it is done with."""
        return await self._reloads.get()

    def reloaded(self) -> None:
        self._reloads.task_done()

    async def until_all_reloaded(self) -> None:
        await self._reloads.join()
