"""How an audit record is bound to the one before it: sequence number and chain at the end of its line. Pure.

    chain = HMAC-SHA256(key of that part of the chain, chain of the record before + the line up to `,"chain":`)

as 32 hexadecimal digits. The key moves on by a hash every KEY_SPAN records, so who takes a worker over learns nothing
that lets him rewrite what is older. Without a configured key the first one is public, and the chain proves only that
nothing was lost or changed by somebody who did not compute it anew (docs/decisions/chain-the-audit-records.md).
"""

from __future__ import annotations

import re
from binascii import b2a_hex
from hashlib import sha256
from hmac import digest
from typing import NamedTuple

FIELDS = ("writer", "seq", "chain")  # at the end of each record, in this order
GENESIS = b"0" * 32  # what a writer's first record continues
KEY_SPAN = 4096  # records
LONGEST_WRITER = 15
# What sealing adds to a line at most; a sequence number has at most 19 digits.
ROOM = len(b',"writer":"","seq":,"chain":""') + LONGEST_WRITER + 19 + len(GENESIS)

_BLOCK = 64  # bytes, of SHA-256
_TAIL = re.compile(rb'(,"writer":"([0-9a-f]{12}-[0-9]{1,2})","seq":([1-9][0-9]{0,18})),"chain":"([0-9a-f]{32})"}\Z')


class Sealed(NamedTuple):
    """A line, taken apart."""

    text: bytes  # what its chain covers, with the chain before
    writer: str
    seq: int
    chain: bytes


class Mac:
    """HMAC-SHA256 (RFC 2104) with one key. The two started hashes save 2 µs per record of `hmac.digest`'s 3."""

    def __init__(self, key: bytes) -> None:
        padded = key.ljust(_BLOCK, b"\0")
        self._inner = sha256(bytes(byte ^ 0x36 for byte in padded))
        self._outer = sha256(bytes(byte ^ 0x5C for byte in padded))

    def chain(self, before: bytes, text: bytes) -> bytes:
        inner = self._inner.copy()
        inner.update(before + text)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return b2a_hex(outer.digest()[:16])


def first_key(secret: bytes, writer: str) -> bytes:
    """The key of a writer's first records; `secret` is the configured key, or empty."""
    return digest(secret, b"authz audit chain " + writer.encode(), "sha256")


def next_key(key: bytes) -> bytes:
    return sha256(key).digest()


def covered(line: bytes, writer: bytes, seq: int) -> bytes:
    """The record's line (`…}` and a line feed) with writer and number, open at its end: what the chain covers."""
    return b'%b,"writer":"%b","seq":%d' % (line[:-2], writer, seq)


def closed(text: bytes, chain: bytes) -> bytes:
    return b'%b,"chain":"%b"}\n' % (text, chain)


def find_sealed(line: bytes) -> Sealed | None:
    """The parts of a line without its line feed; None when it was never sealed."""
    found = _TAIL.search(line)
    if found is None:
        return None
    return Sealed(line[: found.end(1)], found[2].decode(), int(found[3]), found[4])
