"""Follows the files: reads them anew when they change, and lets what is new and good serve. Not how it takes over."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from authz_service.config.model import Config
from authz_service.config.read.placeholders import placeholders_left
from authz_service.config.restart import restart_needed
from authz_service.control_plane.preflight.audit_file import require_writable_audit
from authz_service.control_plane.preflight.egress_socket import require_own_socket
from authz_service.control_plane.reload.file_watch import changes, own_output, watched_folders
from authz_service.control_plane.reload.rollout import Rollout
from authz_service.control_plane.snapshot import Snapshot, read_snapshot, require_usable
from authz_service.control_plane.status.readiness import Status
from authz_service.errors import ConfigProblems, Problem
from authz_service.logs import about

log = logging.getLogger(__name__)

_WATCH_BEGINS = 1.0  # seconds
SIGHUP = "SIGHUP"  # the cause that is a person's: tokens are asked for anew, too


class Reloader:
    """One at a time, whoever asks for it. None ends the sidecar: for what is not good, the last good stays."""

    def __init__(
        self,
        config_path: Path,
        environment: Mapping[str, str],
        rollout: Rollout,
        status: Status,
        look_now: Callable[[], None],
    ) -> None:
        self._config_path = config_path
        self._environment = environment
        self._rollout = rollout
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
        config = self._rollout.current.config
        return watched_folders(self._config_path, config), own_output(config)

    async def _reload(self, cause: str) -> None:
        """Never raises."""
        async with self._one_at_a_time:
            try:
                snapshot = await asyncio.to_thread(self._read_changed)
                if snapshot is not None:
                    await self._replace(snapshot, cause)
                elif cause == SIGHUP:
                    log.info("nothing_changed", extra=about(revision=self._rollout.current.revision))
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
                await self._rollout.outbound.ask_for_tokens_anew()
            self._look_now()

    def _read_changed(self) -> Snapshot | None:
        """The new wishes, checked; None when they are the present ones. Runs in a thread."""
        current = self._rollout.current
        snapshot = read_snapshot(self._config_path, self._environment)
        if snapshot.config == current.config and snapshot.rules == current.rules:
            return None
        fixed = restart_needed(current.config, snapshot.config)
        if fixed:
            file = str(self._config_path)
            raise ConfigProblems(
                [Problem(key, "cannot be changed while running", "restart the sidecar", file) for key in fixed]
            )
        require_own_socket(snapshot.config, current.config)
        require_writable_audit(snapshot.config, self._config_path, current.config)
        require_usable(snapshot, self._environment, current)
        return snapshot

    async def _replace(self, snapshot: Snapshot, cause: str) -> None:
        before = self._rollout.current.revision
        await self._rollout.replace(snapshot)
        self._status.snapshot = snapshot
        self._status.counters.reloads["configuration", "ok"] += 1
        log.info("reloaded", extra=about(cause=cause, revision=snapshot.revision, before=before))
        warn_of_placeholders(snapshot.config)

    def _refuse(self, cause: str, error: Exception) -> None:
        text = str(error)
        if self._status.reload_problem != text:
            self._status.counters.reloads["configuration", "refused"] += 1
            kept = self._rollout.current.revision
            log.error("reload_refused", extra=about(cause=cause, problems=text.splitlines(), revision_kept=kept))
        self._status.reload_problem = text

    async def _follow(self) -> None:
        changed = await self._rollout.follow_certificates_and_denylist()
        self._status.snapshot = self._rollout.current
        if changed:
            self._status.counters.reloads["certificates", "ok"] += 1
            log.info("certificates_reloaded", extra=about(names=changed))


def warn_of_placeholders(config: Config) -> None:
    for warning in placeholders_left(config):
        log.warning("placeholder_in_secret", extra=about(warning=warning))
