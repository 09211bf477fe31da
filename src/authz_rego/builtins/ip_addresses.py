"""Addresses and networks as Go's `net` has them: IPv4 in 4 bytes, IPv6 in 16. Not OPA's functions on them (`networks`).

Python's `ipaddress` reads other texts: it takes zones and netmasks, and keeps ::ffff:1.2.3.4 and 1.2.3.4 apart.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

IPV4_IN_IPV6: Final = bytes(10) + b"\xff\xff"
_IPV4: Final = re.compile(r"(?:(?:0|[1-9][0-9]{0,2})\.){3}(?:0|[1-9][0-9]{0,2})")
_FIRST_MARK: Final = re.compile("[.:%]")
_GROUP: Final = re.compile(r"[0-9a-fA-F]{1,4}")
_LENGTH: Final = re.compile(r"0*([0-9]{1,3})")


class Network(NamedTuple):
    """An address and how many of its bits count, of 32 or of 128."""

    address: bytes
    ones: int
    bits: int

    def contains(self, address: bytes) -> bool:
        """An IPv4 address written as an IPv6 one is an IPv4 address: no real IPv6 network holds it."""
        own, other = as_ipv4(self.address), as_ipv4(address)
        if len(own) != len(other):
            return False
        ones = self.ones - 96 if len(own) == 4 and self.bits == 128 else self.ones
        differing = int.from_bytes(own) ^ int.from_bytes(other)
        return differing >> (8 * len(own) - max(ones, 0)) == 0

    @property
    def last(self) -> bytes:
        """The highest address."""
        hosts = (1 << (self.bits - self.ones)) - 1
        return (int.from_bytes(self.address) | hosts).to_bytes(len(self.address))


def as_ipv4(address: bytes) -> bytes:
    """The four bytes of an IPv4 address that stands in sixteen; any other address as it is."""
    return address[12:] if len(address) == 16 and address.startswith(IPV4_IN_IPV6) else address


def find_address(text: str) -> bytes | None:
    """4 or 16 bytes, as it was written, or None: an address with a zone ("fe80::1%eth0") is none here."""
    first = _FIRST_MARK.search(text)
    if first is None or first[0] == "%":
        return None
    return _find_ipv4(text) if first[0] == "." else _find_ipv6(text)


def find_network(text: str) -> Network | None:
    """A text in the form "10.0.0.0/8"; bits of its address that do not count are cleared."""
    start, _, length = text.partition("/")
    address = find_address(start)
    match = _LENGTH.fullmatch(length)
    if address is None or match is None:
        return None
    bits, ones = 8 * len(address), int(match[1])
    if ones > bits:
        return None
    hosts = (1 << (bits - ones)) - 1
    return Network((int.from_bytes(address) & ~hosts).to_bytes(len(address)), ones, bits)


def address_text(address: bytes) -> str:
    """As Go writes it (RFC 5952): the longest run of zero groups as "::", IPv4 with dots in either form."""
    short = as_ipv4(address)
    if len(short) == 4:
        return ".".join(map(str, short))
    groups = [int.from_bytes(address[at : at + 2]) for at in range(0, 16, 2)]
    start, length = _longest_zeros(groups)
    texts = [f"{group:x}" for group in groups]
    if length < 2:
        return ":".join(texts)
    return f"{':'.join(texts[:start])}::{':'.join(texts[start + length :])}"


def _longest_zeros(groups: list[int]) -> tuple[int, int]:
    best = (0, 0)
    for start in range(len(groups)):
        length = next((more for more, group in enumerate(groups[start:]) if group), len(groups) - start)
        if length > best[1]:
            best = (start, length)
    return best


def _find_ipv4(text: str) -> bytes | None:
    if _IPV4.fullmatch(text) is None:
        return None
    parts = [*map(int, text.split("."))]
    return bytes(parts) if max(parts) <= 255 else None


def _find_ipv6(text: str) -> bytes | None:
    before, gap, after = text.partition("::")
    head, tail = _find_groups(before, is_end=not gap), _find_groups(after, is_end=True)
    if head is None or tail is None:
        return None
    missing = 16 - len(head) - len(tail)
    if missing < 2 if gap else missing != 0:
        return None
    return head + bytes(missing) + tail


def _find_groups(text: str, *, is_end: bool) -> bytes | None:
    """Groups between colons; the last of an address may be an IPv4 address."""
    if not text:
        return b""
    found = b""
    *groups, last = text.split(":")
    for group in groups:
        if _GROUP.fullmatch(group) is None:
            return None
        found += bytes.fromhex(group.zfill(4))
    if is_end and "." in last:
        ending = _find_ipv4(last)
    else:
        ending = bytes.fromhex(last.zfill(4)) if _GROUP.fullmatch(last) else None
    return None if ending is None else found + ending
