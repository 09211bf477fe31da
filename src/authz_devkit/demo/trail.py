"""The audit trail of one request of the demo, as `authz trail` tells it. Not the joining: that is the product's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from authz_devkit.demo.mesh import PODS, Mesh

Record = dict[str, Any]


def records(mesh: Mesh, correlation_id: str) -> list[Record]:
    """Every audit record of that id, in order of time."""
    told = _told(mesh, correlation_id, "--format", "json")
    return sorted((hop["record"] for hop in json.loads(told)["hops"]), key=lambda record: str(record["time"]))


def tree(mesh: Mesh, correlation_id: str, *, colours: bool) -> str:
    """As a terminal shows it."""
    return _told(mesh, correlation_id, environment={"FORCE_COLOR": "1"} if colours else {})


def _told(mesh: Mesh, correlation_id: str, *options: str, environment: Mapping[str, str] | None = None) -> str:
    files = [str(file) for file in map(mesh.audit_file, PODS) if file.exists()]
    command = [sys.executable, "-m", "authz_service.cli.main", "trail", correlation_id, *files, *options]
    ended = subprocess.run(
        command, env={**os.environ, **(environment or {})}, capture_output=True, text=True, check=False
    )
    if ended.returncode not in {0, 1}:  # 1: not all of it is there
        raise RuntimeError(f"authz trail: {ended.stderr.strip()}")
    return ended.stdout
