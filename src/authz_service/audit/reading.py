"""What a line of an audit file is: a sealed record, an unsealed one, the rest of a torn one, or none of ours. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import msgspec

from authz_service.audit.seal import Sealed, find_sealed

START = b'{"time":"'  # how each record begins
_Record = TypeVar("_Record")


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
    whole = line.rstrip(b"\r\n")
    said, text, torn = find_record(whole, _decode)
    if said is not None:
        return Line(said, find_sealed(text), torn) if said.event in _OURS else Line()
    return Line(torn=torn or (whole != b"" and START.startswith(whole)))


def find_record(line: bytes, decode: Callable[[bytes], _Record]) -> tuple[_Record | None, bytes, bool]:
    """The record that the line ends with, its text, and whether the rest of another one is before it. So may be what a
    collector has put there.
    """
    start, torn = line.find(START), False
    while start >= 0:
        try:
            return decode(line[start:]), line[start:], torn
        except (msgspec.DecodeError, UnicodeDecodeError):
            start, torn = line.find(START, start + 1), True
    return None, b"", torn
