"""What each part of the control plane tells about itself. Nobody writes into the status: it asks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(slots=True)
class Gauge:
    """One present value, or one for each value of the label. Parts may share a gauge: their values are joined."""

    name: str
    help: str
    label: str  # "" = no label
    values: Mapping[str, float]


class Part(Protocol):
    """Asked by the admin server's threads: values are replaced whole, never changed in place."""

    def missing(self, *, starting: bool) -> Iterable[str]:  # noqa: ARG002 - most parts do not care
        """What keeps requests away. `starting`: all was not there yet even once."""
        return ()

    def degraded(self) -> Iterable[str]:
        """What calls for a person although requests are served."""
        return ()

    def gauges(self) -> Iterable[Gauge]:
        return ()
