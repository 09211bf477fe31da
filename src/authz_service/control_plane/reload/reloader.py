"""Follows the files: reads them anew when they change, and lets what is new and good serve. Not how it takes over."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

from authz_service.config.model import Config
from authz_service.config.read.placeholders import placeholders_left
from authz_service.config.restart import restart_needed
from authz_service.control_plane.counters import Counters
from authz_service.control_plane.events import Events
from authz_service.control_plane.part import Part
from authz_service.control_plane.preflight.audit_file import require_writable_audit
from authz_service.control_plane.preflight.egress_socket import require_own_socket
from authz_service.control_plane.reload.file_watch import changes, own_output, watched_folders
from authz_service.control_plane.reload.rollout import Rollout
from authz_service.control_plane.snapshot import Snapshot, read_snapshot, require_usable
from authz_service.envoy.decision_cache import DecisionCache
from authz_service.errors import ConfigProblems, Problem
from authz_service.logs import about

log = logging.getLogger(__name__)

_WATCH_BEGINS = 1.0  # seconds
SIGHUP = "SIGHUP"  # the cause that is a person's: tokens are asked for anew, too


class Reloader(Part):
    """One reload at a time, whoever asks for it. None ends the sidecar: for what is not good, the last good stays."""

    def __init__(
        self, config_path: Path, environment: Mapping[str, str], rollout: Rollout, counters: Counters, events: Events
    ) -> None:
        self._config_path = config_path
        self._environment = environment
        self._rollout = rollout
        self._counters = counters
        self._events = events
        self._problem = ""
        self._certificate_problem = ""

    async def watch(self) -> None:
        """The watch goes on over a reload: what changes meanwhile is heard, unless other folders are to be watched."""
        while not self._events.stop.is_set():
            watched = self._watched()
            async for _ in changes(*watched, self._events.stop):
                self._events.reload("files changed")
                await self._events.until_all_reloaded()
                if self._watched() != watched:
                    # Nothing is heard until the next watch has begun: look once more then.
                    asyncio.get_running_loop().call_later(_WATCH_BEGINS, self._events.reload, "folders changed")
                    break

    async def follow(self) -> None:
        """Never raises."""
        while True:
            cause = await self._events.next_reload()
            await self._reload(cause)
            self._events.reloaded()
            self._events.look()

    def degraded(self) -> Iterator[str]:
        if self._problem:
            yield f"the changed files were refused, the last good ones serve: {self._problem}"
        if self._certificate_problem:
            yield f"certificates could not be written: {self._certificate_problem}"

    def _watched(self) -> tuple[set[Path], set[Path]]:
        config = self._rollout.current.config
        return watched_folders(self._config_path, config), own_output(config)

    async def _reload(self, cause: str) -> None:
        try:
            snapshot = await asyncio.to_thread(self._read_changed)
            if snapshot is not None:
                await self._replace(snapshot, cause)
            elif cause == SIGHUP:
                log.info("nothing_changed", extra=about(revision=self._rollout.current.revision))
            self._problem = ""
        except Exception as error:  # noqa: BLE001 - whatever it is, the next change must still be followed
            self._refuse(cause, error)
        try:
            await self._follow_certificates()
            self._certificate_problem = ""
        except Exception as error:
            log.exception("certificates_not_written")
            self._certificate_problem = str(error)
        if cause == SIGHUP:
            await self._rollout.target_tokens.ask_anew()

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
        before = self._rollout.current
        await self._rollout.replace(snapshot)
        self._counters.reloads["configuration", "ok"] += 1
        log.info("reloaded", extra=about(cause=cause, revision=snapshot.revision, before=before.revision))
        if snapshot.cache != before.cache:
            tell_of_the_cache(snapshot.cache)
        warn_of_placeholders(snapshot.config)

    def _refuse(self, cause: str, error: Exception) -> None:
        text = str(error)
        if self._problem != text:
            self._counters.reloads["configuration", "refused"] += 1
            kept = self._rollout.current.revision
            log.error("reload_refused", extra=about(cause=cause, problems=text.splitlines(), revision_kept=kept))
        self._problem = text

    async def _follow_certificates(self) -> None:
        changed = await self._rollout.follow_certificates_and_denylist()
        if changed:
            self._counters.reloads["certificates", "ok"] += 1
            log.info("certificates_reloaded", extra=about(names=changed))


def tell_of_the_cache(cache: DecisionCache) -> None:
    """Why there is none."""
    if cache.is_missed:
        log.warning("decision_cache_missing", extra=about(reason=cache.state, problem=cache.words))
    elif cache.library is None:
        log.info("decision_cache_left_out", extra=about(reason=cache.state, problem=cache.words))


def warn_of_placeholders(config: Config) -> None:
    for warning in placeholders_left(config):
        log.warning("placeholder_in_secret", extra=about(warning=warning))
