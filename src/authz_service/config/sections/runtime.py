"""The section `runtime`: the processes of the sidecar. Values only."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from authz_service.config.sections.section import Section
from authz_service.config.values import Duration, File


class Runtime(Section):
    """The processes of the sidecar."""

    state_dir: File = Field(
        default=Path("/run/authz"),
        description="A private folder (0700), best on tmpfs, for sockets, rendered resources and secrets. One per "
        "sidecar.",
    )
    envoy_threads: int = Field(default=1, ge=1, le=64, description="Worker threads of Envoy.")
    decision_workers: int = Field(
        default=2,
        ge=1,
        le=64,
        description="Processes that decide; the last one stands by and answers where another fails. With one, a crash "
        "of it is felt by callers. One keeps up with one of `envoy_threads` unless policies are slow.",
    )
    walls: Literal["if_possible", "required"] = Field(
        default="if_possible",
        description="What the workers do where the kernel lacks a wall around them (seccomp, Landlock): decide behind "
        "the others, and `/readyz` says so; or decide nothing.",
    )
    drain: Duration = Field(
        default=30.0,
        description="How long requests in progress may take to end when the sidecar stops.",
    )
