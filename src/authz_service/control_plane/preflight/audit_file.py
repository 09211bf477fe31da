"""Whether the audit file can be written: asked early, because without it every request gets 503. Writes nothing."""

from __future__ import annotations

import os
from pathlib import Path

from authz_service.audit.destinations import STANDARD_OUTPUT
from authz_service.config.loader import line_of
from authz_service.config.model import Config
from authz_service.errors import ConfigProblems, Problem

_PLACE = ("audit", "path")


def require_writable_audit(config: Config, config_path: Path, last: Config | None = None) -> None:
    """Raises ConfigProblems. `last` is what serves now: a destination that it has too is the workers' to wait for."""
    path = config.audit.path
    if not config.proxy.enabled or path == STANDARD_OUTPUT or (last is not None and last.audit.path == path):
        return
    if problem := _problem(Path(path)):
        line = line_of(_PLACE, config_path)
        raise ConfigProblems([Problem(".".join(_PLACE), *problem, str(config_path), line)])


def _problem(path: Path) -> tuple[str, str] | None:
    """What was found and what to do."""
    if _may(path, os.F_OK):
        if path.is_dir():
            return f"{path} is a folder", "name a file in it"
        fix = "let the sidecar's user write it, or write `-` for standard output"
        return None if _may(path, os.W_OK) else (f"{path} cannot be written", fix)
    folder = path.resolve().parent  # a link may lead to a file that is not made yet
    if _may(folder, os.W_OK | os.X_OK) and folder.is_dir():
        return None
    fix = "make the folder, writable by the sidecar's user, or write `-` for standard output"
    return f"{path} cannot be written: {folder} is not a folder that we can make files in", fix


def _may(path: Path, mode: int) -> bool:
    """False also where we may not look."""
    return os.access(path, mode, effective_ids=True)
