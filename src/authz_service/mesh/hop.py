"""What became of a request at each sidecar that it came to. Not how that is found (`journey`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from authz_rego.explain import Tried
from authz_service.mesh.model import Call
from authz_service.mesh.spot import Spot
from authz_service.mesh.steps import Step

Direction = Literal["in", "out"]
Outcome = Literal["allowed", "refused", "unknown"]


@dataclass(slots=True)
class Hop:
    """What one sidecar did with it."""

    sidecar: str
    direction: Direction
    method: str
    path: str
    certificate: str
    token: str
    lines: list[Step] = field(default_factory=list)
    reason: str = ""  # of the refusal
    detail: str = ""
    status: int = 0  # 0: no answer at all
    spot: Spot | None = None
    fix: str = ""
    tried: tuple[Tried, ...] = ()
    cause: Tried | None = None  # which of them it is
    headers: str = ""  # what the service, or the next hop, gets of them
    policies: str = ""  # the folder of the policy's files, for their places
    sends: Call | None = None  # what it sends on, or was about to


@dataclass(frozen=True, slots=True)
class Journey:
    hops: tuple[Hop, ...]
    outcome: Outcome
    why_unknown: str = ""
    reached: str = ""  # the service at the end
    onward: tuple[str, ...] = ()  # what it may call from there, which no configuration determines

    @property
    def refused(self) -> Hop | None:
        return next((hop for hop in self.hops if hop.reason), None)
