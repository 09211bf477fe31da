"""What tells the decision cache in Envoy that it may repeat an answer, until when, and with which record. Pure.

The cache takes it only while `epoch` is the one that the control plane shows it; whatever it cannot read is no permit
(docs/decisions/remember-what-was-allowed.md).
"""

from __future__ import annotations

import struct
from binascii import b2a_base64
from collections.abc import Sequence

from authz_service import headers

_VERSION = 1
_MOST_BYTES = 9_000
_HEAD = struct.Struct("<BQQ")
_LENGTH = struct.Struct("<H")
_LINE = headers.REMEMBER.encode() + b": %b\r\n"


def permit(epoch: int, until: float, record: Sequence[bytes], owned: bytes) -> bytes:
    """The header line beside the answer's own; b"" for one that would be too long.

    `record`: the pieces of its audit record (audit.template); `owned`: the answer's header lines.
    """
    pieces = [_HEAD.pack(_VERSION, epoch, int(until * 1_000_000))]
    if len(owned) + sum(map(len, record)) > _MOST_BYTES:
        return b""
    for piece in (*record, owned):
        pieces += (_LENGTH.pack(len(piece)), piece)
    whole = b"".join(pieces)
    return _LINE % b2a_base64(whole, newline=False) if len(whole) <= _MOST_BYTES else b""
