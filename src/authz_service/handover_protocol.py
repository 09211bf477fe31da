"""What a worker is handed over its second socket, and what it asks for there.

One JSON value a packet (unix(7), SOCK_SEQPACKET); what was opened goes beside it, as a descriptor (SCM_RIGHTS).
"""

from __future__ import annotations

import msgspec

from authz_service.domain.rules import PolicyServer

LONGEST = 16 << 10  # bytes of a packet


class AuditOpened(msgspec.Struct, frozen=True, tag="audit"):
    """The destination of audit records stands open, or why it does not."""

    path: str
    torn: bool = False  # it ends in the middle of a line
    error: str = ""


class Mended(msgspec.Struct, frozen=True, tag="mended"):
    """No line is torn there any more."""

    path: str


class ChainOpened(msgspec.Struct, frozen=True, tag="chain"):
    """The memory of the audit's chains stands open, or why it does not."""

    path: str
    error: str = ""


class Dialled(msgspec.Struct, frozen=True, tag="dialled"):
    """A connection to the policy server, or why there is none."""

    number: int
    error: str = ""


class Mend(msgspec.Struct, frozen=True, tag="mend"):
    """A line was written in part there, for want of room: end it."""

    path: str


class Dial(msgspec.Struct, frozen=True, tag="dial"):
    """Connect to the policy server, which is one of the rules'."""

    number: int
    server: PolicyServer


Handed = AuditOpened | Mended | ChainOpened | Dialled
Wanted = Mend | Dial

encode = msgspec.json.Encoder().encode
decode_handed = msgspec.json.Decoder(Handed).decode
decode_wanted = msgspec.json.Decoder(Wanted).decode
