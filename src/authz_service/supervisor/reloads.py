"""Follows the files: reads them anew when they change, and lets what is new and good serve. Not how it takes over."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from authz_service.config.model import Config
from authz_service.config.read.placeholders import placeholders_left
from authz_service.config.restart import restart_needed
from authz_service.errors import ConfigProblems, Problem
from authz_service.logs import about
from authz_service.supervisor.audit_destination import require_writable_audit
from authz_service.supervisor.desired import Desired, read_desired, require_usable
from authz_service.supervisor.egress_socket import require_own_socket
from authz_service.supervisor.file_watch import changes, own_output, watched_folders
from authz_service.supervisor.serving import Serving
from authz_service.supervisor.status import Status

log = logging.getLogger(__name__)

_WATCH_BEGINS = 1.0  # seconds
SIGHUP = "SIGHUP"  # the cause that is a person's: tokens are asked for anew, too


class Reloads:
    """One at a time, whoever asks for it. None ends the sidecar: for what is not good, the last good stays."""

    def __init__(
        self,
        config_path: Path,
        environment: Mapping[str, str],
        serving: Serving,
        status: Status,
        look_now: Callable[[], None],
    ) -> None:
        self._config_path = config_path
        self._environment = environment
        self._serving = serving
        self._status = status
        self._look_now = look_now
        self._one_at_a_time = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def watch(self, stop: asyncio.Event) -> None:
        """The watch goes on over a reload: what changes meanwhile is heard, unless other folders are to be watched."""
        while not stop.is_set():
            watched = self._watched()
            async for _ in changes(*watched, stop):
                await self._reload("files changed")
                if self._watched() != watched:
                    # Nothing is heard until the next watch has begun: look once more then.
                    asyncio.get_running_loop().call_later(_WATCH_BEGINS, self.soon, "folders changed")
                    break

    def soon(self, cause: str) -> None:
        task = asyncio.get_running_loop().create_task(self._reload(cause))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _watched(self) -> tuple[set[Path], set[Path]]:
        config = self._serving.current.config
        return watched_folders(self._config_path, config), own_output(config)

    async def _reload(self, cause: str) -> None:
        """Never raises."""
        async with self._one_at_a_time:
            try:
                desired = await asyncio.to_thread(self._read_changed)
                if desired is not None:
                    await self._replace(desired, cause)
                elif cause == SIGHUP:
                    log.info("nothing_changed", extra=about(revision=self._serving.current.revision))
                self._status.reload_problem = ""
            except Exception as error:  # noqa: BLE001 - whatever it is, the next change must still be followed
                self._refuse(cause, error)
            try:
                await self._follow()
                self._status.certificate_problem = ""
            except Exception as error:
                log.exception("certificates_not_written")
                self._status.certificate_problem = str(error)
            if cause == SIGHUP:
                await self._serving.outbound.ask_for_tokens_anew()
            self._look_now()

    def _read_changed(self) -> Desired | None:
        """The new wishes, checked; None when they are the present ones. Runs in a thread."""
        current = self._serving.current
        desired = read_desired(self._config_path, self._environment)
        if desired.config == current.config and desired.rules == current.rules:
            return None
        fixed = restart_needed(current.config, desired.config)
        if fixed:
            file = str(self._config_path)
            raise ConfigProblems(
                [Problem(key, "cannot be changed while running", "restart the sidecar", file) for key in fixed]
            )
        require_own_socket(desired.config, current.config)
        require_writable_audit(desired.config, self._config_path, current.config)
        require_usable(desired, self._environment, current)
        return desired

    async def _replace(self, desired: Desired, cause: str) -> None:
        before = self._serving.current.revision
        await self._serving.replace(desired)
        self._status.desired = desired
        self._status.figure.reloads["configuration", "ok"] += 1
        log.info("reloaded", extra=about(cause=cause, revision=desired.revision, before=before))
        warn_of_placeholders(desired.config)

    def _refuse(self, cause: str, error: Exception) -> None:
        text = str(error)
        if self._status.reload_problem != text:
            self._status.figure.reloads["configuration", "refused"] += 1
            kept = self._serving.current.revision
            log.error("reload_refused", extra=about(cause=cause, problems=text.splitlines(), revision_kept=kept))
        self._status.reload_problem = text

    async def _follow(self) -> None:
        changed = await self._serving.follow_certificates_and_denylist()
        self._status.desired = self._serving.current
        if changed:
            self._status.figure.reloads["certificates", "ok"] += 1
            log.info("certificates_reloaded", extra=about(names=changed))


def warn_of_placeholders(config: Config) -> None:
    for warning in placeholders_left(config):
        log.warning("placeholder_in_secret", extra=about(warning=warning))
