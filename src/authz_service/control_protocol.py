"""What the control plane and its decision workers say to each other: length-prefixed JSON on a private Unix socket."""

from __future__ import annotations

import asyncio
from typing import TypeVar

import msgspec

from authz_service.domain.questions import Answer, Asked
from authz_service.domain.rules import GateRules, IssuerKeys

_PREFIX = 4
_MAX = 64 << 20


class SetRules(msgspec.Struct, frozen=True, tag="rules"):
    """Decide by these from now on."""

    rules: GateRules
    epoch: int  # what is allowed by them may be repeated by Envoy as long as its own is the same


class SetKeys(msgspec.Struct, frozen=True, tag="keys"):
    """Verify this issuer's tokens with these keys from now on."""

    keys: IssuerKeys
    epoch: int  # the same


class SetEpoch(msgspec.Struct, frozen=True, tag="epoch"):
    """Nothing else changes, but what was permitted so far has ended."""

    epoch: int


class Answered(msgspec.Struct, frozen=True, tag="answered"):
    """What became of the question that you asked. A key was sent before this, if there is one."""

    number: int
    answer: Answer | None  # None: nobody could be asked


class Hello(msgspec.Struct, frozen=True, tag="hello"):
    """A worker is there and knows nothing yet."""

    slot: int
    pid: int
    missing_walls: tuple[str, ...] = ()  # what the kernel does not have for them


class Active(msgspec.Struct, frozen=True, tag="active"):
    """The worker decides by this revision."""

    revision: str
    epoch: int = 0  # of the rules that it decides by


class Unusable(msgspec.Struct, frozen=True, tag="unusable"):
    """The worker could not use the rules and keeps its last ones."""

    revision: str
    error: str


class Wanted(msgspec.Struct, frozen=True, tag="wanted"):
    """A request waits for the answer to this."""

    number: int
    question: Asked


class CountersDelta(msgspec.Struct, frozen=True, tag="figures"):
    """What happened since the last CountersDelta."""

    decisions: dict[str, int]  # "allow|allowed", "deny|token_expired", … -> count
    buckets: list[
        int
    ]  # decision durations, counts per bucket of DURATION_BUCKETS_US, the last one without an upper bound
    duration_us: int  # their sum
    audit_failures: int
    ended: dict[str, int] = {}  # requests in progress, by the reason for which they were ended
    memory: dict[str, int] = {}  # decisions, by MEMORY


class Copy(msgspec.Struct, frozen=True, array_like=True):
    """One decision for the log in OPA's format: its audit record, and what the policy could ask about."""

    rule: str  # "data.order.allow"; "" where no policy is asked
    record: msgspec.Raw  # an AuditRecord
    input: msgspec.Raw  # the whole input document, unmasked; null: too large


class Copies(msgspec.Struct, frozen=True, tag="copies"):
    """Decisions since the last Copies, for the log in OPA's format."""

    copies: list[Copy]
    lost: int  # so many more could not be handed over


# Whether a decision repeated an earlier one, and else why it did not: the first that holds.
MEMORY = (
    "repeated",
    "off",  # proxy.authz.remember is 0
    "another_opa",  # an OPA on this host is asked
    "clock",  # the policy reads it in a way that cannot be bounded
    "ids",  # the policy reads what each request has of its own
    "refused",
    "new",  # none like it was asked lately
    "request",  # its route introspects, its token or certificate is about to end, …
    "second",  # one like it was asked: from now on it is remembered
)
DURATION_BUCKETS_US = (25, 50, 100, 250, 500, 1_000, 2_500, 10_000, 50_000, 250_000)

ToWorker = SetRules | SetKeys | SetEpoch | Answered
ToControl = Hello | Active | Unusable | Wanted | CountersDelta | Copies

_encoder = msgspec.json.Encoder()
_T = TypeVar("_T")


def pack(message: ToWorker | ToControl) -> bytes:
    body = _encoder.encode(message)
    return len(body).to_bytes(_PREFIX, "big") + body


async def read_message(reader: asyncio.StreamReader, decoder: msgspec.json.Decoder[_T]) -> _T:
    """The next message. Raises asyncio.IncompleteReadError at the end, ValueError for what is not a message."""
    size = int.from_bytes(await reader.readexactly(_PREFIX), "big")
    if size > _MAX:
        raise ValueError(f"a message of {size} bytes is not ours")
    return decoder.decode(await reader.readexactly(size))


to_worker_decoder: msgspec.json.Decoder[ToWorker] = msgspec.json.Decoder(ToWorker)
to_control_decoder: msgspec.json.Decoder[ToControl] = msgspec.json.Decoder(ToControl)
