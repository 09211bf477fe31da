"""What the control plane and the process of the candidate policy say to each other: a line of JSON each.

Apart from both: the control plane loads no compiler of policies.
"""

from __future__ import annotations

import msgspec

from authz_service.control_protocol import Copy
from authz_service.domain.rules import PolicySource

ALIKE, GAINED, LOST, OTHER, SKIPPED = "alike", "gained", "lost", "other", "skipped"


class Setup(msgspec.Struct):
    """The first line."""

    source: PolicySource
    budget: float  # seconds of processor time for one decision
    percent: int


class Batch(msgspec.Struct):
    copies: list[Copy]


class Outcome(msgspec.Struct):
    """Of one decision. `line` is the record of a verdict that would be another one."""

    result: str
    line: str = ""


class Outcomes(msgspec.Struct):
    """An answer; the first one, empty, says that the policy is ready."""

    outcomes: list[Outcome] = []
