"""Tells when one of the sidecar's files may have changed. What changed is for the reader to find out."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import watchfiles

from authz_service.config.model import Config, DecisionLogFile, DecisionLogService, EmbeddedPolicy
from authz_service.config.sections.section import Section
from authz_service.logs import about

log = logging.getLogger(__name__)

# Network and container file systems do not always tell; nobody waits longer than this for a change.
LONGEST_SILENCE = 30.0  # seconds


def watched_folders(config_path: Path, config: Config) -> set[Path]:
    """The folders in which something is renamed or written when one of our files changes (Kubernetes swaps a link
    there).
    """
    files = [config_path, *_files(config.http.tls), *_files(config.egress.token_store)]
    files += [config.revocation.path] if config.revocation is not None else []
    files += [file for one in config.issuers for file in _files(one.introspection)]
    if isinstance(config.audit.opa_decision_log, DecisionLogService):
        files += _files(config.audit.opa_decision_log)
    for target in config.egress.targets.values():
        files += [*_files(target.tls), *_files(target.auth)]
    folders = {file.parent for file in files}
    if config.asked_policy is not None and isinstance(config.policy, EmbeddedPolicy):
        folders.add(config.policy.path)
        folders |= {file.parent for file in (config.policy_bundle.keys.values() if config.policy_bundle else ())}
    return {folder for folder in folders if folder.is_dir()}


def _files(section: Section | None) -> list[Path]:
    return [value for _, value in section or () if isinstance(value, Path)]


def own_output(config: Config) -> set[Path]:
    """What we write ourselves: below a watched folder each audit record would count as a change of our files."""
    paths = {config.runtime.state_dir}
    copies = config.audit.opa_decision_log
    paths |= {copies.path} if isinstance(copies, DecisionLogFile) else set()
    return paths | {Path(path) for path in (config.audit.path, config.audit.access_log) if path not in {None, "-"}}


async def changes(folders: set[Path], ignored: set[Path], stop: asyncio.Event) -> AsyncIterator[None]:
    """Yields after each burst of changes, and at least every LONGEST_SILENCE seconds; ends when `stop` is set.

    Where the kernel has no watch to give (fs.inotify.max_user_instances), the latter is all there is.
    """

    def is_news(_: watchfiles.Change, path: str) -> bool:
        return not any(Path(path).is_relative_to(own) for own in ignored)

    try:
        async for _ in watchfiles.awatch(
            *folders, step=50, debounce=400, stop_event=stop, recursive=True, yield_on_timeout=True,
            rust_timeout=int(LONGEST_SILENCE * 1000), watch_filter=is_news,
        ):  # fmt: skip
            yield
    except (OSError, RuntimeError) as error:  # watchfiles' own is a RuntimeError
        log.error("files_not_watched", extra=about(error=str(error)))  # noqa: TRY400 - the text says it all
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LONGEST_SILENCE)
            yield
