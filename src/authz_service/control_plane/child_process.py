"""Keeps one child process running: starts it, restarts it when it dies, ends it. Not what the child does."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from authz_service.logs import about
from authz_service.parent_death import bound_to_us

log = logging.getLogger(__name__)

_SHORT_LIFE = 1.0  # seconds; a child that dies sooner is restarted with a growing pause
_LONGEST_PAUSE = 5.0


@dataclass(slots=True)
class Child:
    """A process of ours, in a session of its own: Ctrl-C and signals to our group never reach it, our death does."""

    name: str
    command: list[str]
    environment: Mapping[str, str]
    on_exit: Callable[[], None] = lambda: None
    descriptors: Sequence[int] = ()  # that it inherits, by their numbers
    restarts: int = 0
    process: asyncio.subprocess.Process | None = None
    _task: asyncio.Task[None] | None = None
    _ending: bool = field(default=False)

    async def start(self) -> None:
        """Start it and keep it running until `end`."""
        await self._spawn()
        self._task = asyncio.create_task(self._keep(), name=f"keep-{self.name}")

    @property
    def pid(self) -> int | None:
        alive = self.process is not None and self.process.returncode is None
        return self.process.pid if alive and self.process is not None else None

    def expect_end(self) -> None:
        """It may end by itself from now on: no restart."""
        self._ending = True

    def restart(self) -> None:
        """End it at once: it is started again as whenever it dies."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()

    async def end(self, patience: float) -> None:
        """SIGTERM, then SIGKILL after `patience` seconds."""
        self._ending = True
        if self._task is not None:
            self._task.cancel()
        if self.process is None or self.process.returncode is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self.process.wait(), patience)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()

    async def _spawn(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            *bound_to_us(self.command),
            stdin=asyncio.subprocess.DEVNULL,
            env=dict(self.environment),
            start_new_session=True,
            pass_fds=self.descriptors,
        )

    async def _keep(self) -> None:
        pause = 0.0
        while not self._ending:
            assert self.process is not None
            born = time.monotonic()
            code = await self.process.wait()
            if self._ending:
                return
            log.error("child_died", extra=about(child=self.name, pid=self.process.pid, exit=code))
            self.on_exit()
            pause = 0.0 if time.monotonic() - born > _SHORT_LIFE else min(max(0.2, pause * 2), _LONGEST_PAUSE)
            await asyncio.sleep(pause)
            self.restarts += 1
            await self._spawn()


def reap_strangers(ours: Collection[int | None]) -> int:
    """How many ended processes were taken off the table that nobody waits for. As PID 1 of a container we inherit
    whoever lost his parent: the workers of a forkserver that was killed, which are of its session.

    Somebody waits for `ours`, and for those of our own session: Envoy's check of a configuration, say. If their exit
    code were taken away here, a refusal would be read as a yes.
    """
    count = 0
    while True:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:  # there is none at all
            return count
        try:
            if ended is None or ended.si_pid in ours or os.getsid(ended.si_pid) == os.getsid(0):
                return count  # the next look finds what is behind it
            os.waitpid(ended.si_pid, os.WNOHANG)
        except (ChildProcessError, ProcessLookupError):  # a thread that waits for it was faster
            continue
        count += 1


def clean_environment() -> dict[str, str]:
    """What a child of ours may know: never a secret that our own environment holds."""
    keep = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
    return {name: os.environ[name] for name in keep if name in os.environ}
