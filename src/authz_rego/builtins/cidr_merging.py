"""The fewest networks that hold the same addresses as given ones, found as OPA finds them. Not the reading of texts.

OPA calculates with bytes and gets their number wrong for IPv6 networks that begin with a zero byte, for IPv4 networks
written as IPv6 ones, and for mixtures of both. Then it crashes, or says something odd: followed here byte for byte.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from authz_rego.builtins.ip_addresses import IPV4_IN_IPV6, Network, address_text, as_ipv4


class Crash(Exception):  # noqa: N818  # it is none of ours
    """OPA's process would end here."""


class _Range(NamedTuple):
    last: bytes
    first: bytes
    network: Network | None  # None for what was merged


def merged(networks: Iterable[Network]) -> list[str]:
    """Their texts; raises Crash where OPA does."""
    ranges = [_Range(last, first, network) for network in networks for first, last in [_bounds(network)]]
    ranges.sort(key=lambda each: (each.last, each.first))
    found: list[Network] = []
    while ranges:
        current = ranges.pop()
        if ranges and _previous(current.first) <= ranges[-1].last:
            ranges[-1] = _Range(current.last, min(ranges[-1].first, current.first), None)
        elif current.network is not None:
            found.append(current.network)
        else:
            found += _networks_between(current.first, current.last)
    return [*map(_text, found)]


def _text(network: Network) -> str:
    address = as_ipv4(network.address)
    fits = len(address) in {4, 16} and (network.bits == 128 or len(address) == 4)
    if not fits:
        return "<nil>"
    ones = max(network.ones - 96, 0) if len(address) == 4 and network.bits == 128 else network.ones
    return f"{address_text(address)}/{ones}"


def _is_ipv4(address: bytes) -> bool:
    return len(as_ipv4(address)) == 4


def _network(address: bytes, ones: int, *, ipv4: bool) -> Network:
    return Network(address, ones, 32 if ipv4 else 128)


def _masked(network: Network) -> bytes:
    """The address without the bits that do not count; nothing where address and mask do not fit together."""
    address = as_ipv4(network.address) if network.bits == 32 else network.address
    fits = 8 * len(address) == network.bits or (len(address) == 4 and network.ones >= 96)
    if not fits:
        return b""
    hosts = (1 << (network.bits - network.ones)) - 1
    return (int.from_bytes(address) & ~hosts).to_bytes(len(address))


def _bounds(network: Network) -> tuple[bytes, bytes]:
    """First and last address, in sixteen bytes; those that were sixteen before get another twelve."""
    first = _masked(network)
    if _is_ipv4(first):
        first = IPV4_IN_IPV6 + first
    if len(first) < 16:
        raise Crash
    hosts = (1 << (network.bits - network.ones)) - 1
    return first, (int.from_bytes(first[:16]) | hosts).to_bytes(16) + first[16:]


def _previous(address: bytes) -> bytes:
    if not any(as_ipv4(address)):
        return address
    return (int.from_bytes(address) - 1).to_bytes(len(address))


def _next(address: bytes) -> bytes:
    short = as_ipv4(address)
    if len(address) not in {4, 16} or short == b"\xff" * len(short):
        return address
    return (int.from_bytes(address) + 1).to_bytes(len(address))


def _networks_between(first: bytes, last: bytes) -> list[Network]:
    spanning = _spanning(first, last)
    start, end = _bounds(spanning)
    found: list[Network] = []
    if start < first:
        above = _split(spanning, _previous(first))[1]
        if not above:
            raise Crash
        spanning, *found = above
    if end > last:
        return found + _split(spanning, _next(last))[0]
    return [*found, spanning]


def _spanning(first: bytes, last: bytes) -> Network:
    """The smallest network that holds both."""
    ipv4 = _is_ipv4(first)
    bits = 32 if ipv4 else 128
    lowest, highest, ones = int.from_bytes(first), int.from_bytes(last), bits
    while ones > 0 and lowest < highest:
        ones -= 1
        highest &= -(1 << (bits - ones))
    found = highest.to_bytes((highest.bit_length() + 7) // 8)  # without zeros in front
    if ipv4:
        found = bytes(10) + found
    return _network(found or bytes(16), ones, ipv4=ipv4)


def _split(network: Network, address: bytes) -> tuple[list[Network], list[Network]]:
    """The network without that address, as networks below and above it."""
    ipv4 = _is_ipv4(network.address)
    start, end = _bounds(network)
    most = 32 if _is_ipv4(address) else 128
    excluded, _ = _bounds(_network(address, most, ipv4=most == 32))
    if excluded < start:
        return [], [network]
    if end < excluded:
        return [network], []
    bits = 32 if ipv4 else 128
    below: list[Network] = []
    above: list[Network] = []
    lower = int.from_bytes(start)
    for ones in range(network.ones + 1, min(bits, most) + 1):
        upper = lower + (1 << (bits - ones))
        if excluded >= upper.to_bytes(16):
            below.append(_network(lower.to_bytes(16), ones, ipv4=ipv4))
            lower = upper
        else:
            above.append(_network(upper.to_bytes(16), ones, ipv4=ipv4))
    return below, above
