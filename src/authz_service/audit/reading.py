"""What a line of an audit file is: a sealed record, an unsealed one, the rest of a torn one, or none of ours. Pure."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from authz_service.audit.seal import Sealed, find_sealed

_START = b'{"time":"'  # how each record begins; a log collector may have put something before it


class Said(msgspec.Struct):
    """What a reader of chains needs to know of a record."""

    time: str
    event: str = ""
    service: str = ""
    decision: str = ""
    after_seq: int = 0
    after_chain: str = ""
    uncertain: int = 0
    lost: int = 0
    passed: int = 0
    error: str = ""


class Line(NamedTuple):
    """`said` None: not a record. `sealed` None: nobody chained it. `torn`: it begins with, or is, the rest of one."""

    said: Said | None = None
    sealed: Sealed | None = None
    torn: bool = False


_decode = msgspec.json.Decoder(Said).decode
_OURS = frozenset({"access", "exchange", "end", "evaluation", "candidate", "audit_gap"})


def read_line(line: bytes) -> Line:
    """The line may have a prefix: of a collector, or of a record whose writer was killed in mid-line."""
    start = line.find(_START)
    torn = False
    while start >= 0:
        whole = line[start:].rstrip(b"\r\n")
        try:
            said = _decode(whole)
        except (msgspec.DecodeError, UnicodeDecodeError):
            torn = True
            start = line.find(_START, start + 1)
            continue
        return Line(said, find_sealed(whole), torn) if said.event in _OURS else Line()
    rest = line.rstrip(b"\r\n")
    return Line(torn=torn or (rest != b"" and _START.startswith(rest)))
